"""Whether a run may be resumed: its identity, and what of that has changed."""

import json
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from pydantic import ValidationError

from tftrain.config import Config, load_config
from tftrain.config.base import Change
from tftrain.config.custom import UNTRUSTED, with_folder
from tftrain.config.loading import config_text
from tftrain.config.sections import marked
from tftrain.errors import ConfigError, RunError, TftrainWarning
from tftrain.experiment.custom import hashes_of
from tftrain.experiment.origin import require_same_data
from tftrain.experiment.prepare import Prepared
from tftrain.files import bounded_text
from tftrain.names import State
from tftrain.runs import RunDirectory
from tftrain.runs.environment import environment, packages
from tftrain.runs.table import KEY, path_from_run, require_table, with_table_found
from tftrain.training import Checkpoints

FREE = marked(Config, Change.FREE, Change.FREE_REOPENS)
FORCED = marked(Config, Change.FORCED)
REOPENING = marked(Config, Change.FORCED, Change.FREE_REOPENS)
"""Keys of the config by what their change means, see `Change`."""


@dataclass(frozen=True)
class Identity:
    """The identity of a run, in plain values.

    Attributes:
        config: its config.
        data: the fingerprint of its table.
        packages: their versions.
        code: the hash of each file of the user's own code that the config names, by its section.
    """

    config: Mapping[str, Any]
    data: Mapping[str, Any]
    packages: Mapping[str, Any]
    code: Mapping[str, str] = field(default_factory=dict)


def checkpoints_of(directory: RunDirectory, prepared: Prepared) -> Checkpoints | None:
    """Return the checkpoints of a run, if its config asks for any or there are some to resume from.

    In the latter case there is one more, at the end.
    """
    wanted = prepared.config.training.checkpoint
    if wanted is None and not directory.checkpoints.is_dir():
        return None
    periods = wanted.model_dump() if wanted else {}
    return Checkpoints(directory.checkpoints, **periods, about=vars(identity_of(prepared)))


def identity_of(prepared: Prepared) -> Identity:
    """Return the identity of a run that begins now."""
    config = prepared.config.model_dump(mode="json")
    return Identity(config, prepared.fingerprint, packages(), hashes_of(prepared.config))


def write_identity(directory: RunDirectory, prepared: Prepared) -> None:
    """Write environment and config; the environment lists each time that a run was resumed."""
    now, identity = environment(), identity_of(prepared)
    try:
        before = json.loads(bounded_text(directory.environment))
        told = {**before, "resumed": [*before.get("resumed", []), now]}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        told = {**now, "data": identity.data}
    table = {KEY: path_from_run(directory, prepared.config)}
    own = {"config": identity.config, "code": identity.code}
    directory.write_json(directory.environment, {**told, **own, **table})
    directory.write_text(directory.config, config_text(prepared.config))


def config_of(
    directory: RunDirectory, overrides: Sequence[str], dataframe: bool, trust: bool
) -> Config:
    """Return the config with which a run is resumed; code that it names is run only if trusted.

    Raises:
        RunError: its config cannot be read, and there is no other copy.
        ConfigError: an override is wrong.
        DataError: its table is not there.
    """
    try:
        config = load_config(directory.config, dataframe=dataframe)
    except ConfigError as error:
        before = _identity_before(directory)
        if before is None:
            raise RunError(f"{error}\n{directory.path}: this run has not begun: train") from None
        warnings.warn(
            f"{directory.config}: is damaged; the copy that was made of it is used",
            TftrainWarning,
            stacklevel=2,
        )
        config = load_config(before.config, dataframe=dataframe)
    found = with_table_found(directory, config)
    changed = load_config(found, overrides, dataframe=dataframe)
    require_table(changed)
    return changed if trust else with_folder(changed, UNTRUSTED, anyway=True)


def is_to_go_on(directory: RunDirectory, prepared: Prepared, force: bool) -> bool:
    """Return whether there is something left to do for a run; warn where it is finished.

    Raises:
        RunError: the config or the data have changed in a way that matters; all is named.
    """
    before = _identity_before(directory)
    if before is None:
        return True
    now = identity_of(prepared)
    changes = dict(_differences(_with_new_keys(before.config), now.config))
    _require_same_config(directory, changes, prepared.config, force)
    require_same_data(directory, before.data, now.data)
    _require_same_code(directory, before.code, now.code, force)
    versions = [
        f"{package} {before.packages.get(package)} then, {version} now"
        for package, version in now.packages.items()
        if before.packages.get(package) != version
    ]
    if versions:
        warnings.warn(
            f"{directory.path}: versions have changed since this run began "
            f"({'; '.join(versions)}): it may end with other roundings than it would have",
            TftrainWarning,
            stacklevel=2,
        )
    reopened = any(_is_under(key, REOPENING) for key in changes)
    if directory.state != State.FINISHED or reopened:
        return True
    say_finished(directory)
    return False


def say_finished(directory: RunDirectory) -> None:
    """Warn that a run is finished."""
    warnings.warn(
        f"{directory.path}: this run is finished: nothing is left to do",
        TftrainWarning,
        stacklevel=2,
    )


def _identity_before(directory: RunDirectory) -> Identity | None:
    """Return the identity of a run that has begun, from `environment.json` or a checkpoint.

    Raises:
        RunError: neither can be read, or the directory is that of something else.
    """
    if directory.is_claimed_only:
        return None
    try:
        told = json.loads(bounded_text(directory.environment))
        return _identity(told)
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        newest = Checkpoints(directory.checkpoints).newest()
    try:
        return _identity(newest[1].about if newest else {})
    except (TypeError, KeyError):
        raise RunError(
            f"{directory.path}: what this run was trained on cannot be read, and it has no "
            "checkpoint: train anew, in another directory"
        ) from None


def _identity(told: Mapping[str, Any]) -> Identity:
    """Return the identity in a file's content; raise KeyError or TypeError if there is none."""
    parts = [told.get("code", {}) if f.name == "code" else told[f.name] for f in fields(Identity)]
    if not all(isinstance(part, Mapping) for part in parts):
        raise TypeError("no identity")
    return Identity(*parts)


def _require_same_config(
    directory: RunDirectory, changes: Mapping[str, Any], config: Config, force: bool
) -> None:
    """Raise RunError, which names what has changed, if a run cannot be resumed with a config."""
    told = {key: change for key, change in changes.items() if not _is_under(key, FREE)}
    schedule = config.optimizer.schedule
    bound = ["training.epochs"] if schedule.kind == "cosine" and schedule.epochs is None else []
    safe = all(_is_under(key, FORCED) and key not in bound for key in told)
    if not told or (safe and force):
        return
    lines = [f"  {key}: {before!r} then, {now!r} now" for key, (before, now) in told.items()]
    remedy = "Undo the change, or train a new run"
    if safe:
        remedy += "; or go on all the same, with --force"
    elif set(bound) & set(told):
        remedy += " (the learning rate follows training.epochs, so they cannot change on the way)"
    raise RunError(
        "\n".join([f"{directory.path}: the config has changed since this run began:", *lines])
        + f"\n{remedy}."
    )


def _require_same_code(
    directory: RunDirectory, before: Mapping[str, str], now: Mapping[str, str], force: bool
) -> None:
    """Raise RunError where a file of the user's own code has changed, unless by force."""
    changed = [key for key in now if before.get(key, now[key]) != now[key]]
    if changed and not force:
        raise RunError(
            f"{directory.path}: the code of {' and '.join(changed)}.module has changed since this "
            "run began: undo the change, or train a new run; or go on all the same, with --force"
        )


def _with_new_keys(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the config of an earlier version with the keys that are new since, at their defaults.

    A default is what happened when there was no such key. What cannot be read stays as it is.
    """
    try:
        return Config.model_validate(config).model_dump(mode="json")
    except ValidationError:
        return config


def _differences(before: Any, now: Any, path: str = "") -> Iterator[tuple[str, tuple[Any, Any]]]:
    """Yield the dotted keys at which two configs differ, with both values."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for key in {**before, **now}:
            below = f"{path}.{key}" if path else key
            yield from _differences(before.get(key), now.get(key), below)
        if set(before) == set(now) and list(before) != list(now):
            yield path, (before, now)  # the first pattern of optimizer.factors that matches counts
    elif before != now:
        yield path, (before, now)


def _is_under(key: str, sections: Collection[str]) -> bool:
    """Return whether a dotted key is one of `sections`, or in one."""
    return any(key == section or key.startswith(section + ".") for section in sections)
