"""Repeat the symmetry experiment of Rumelhart, Hinton and Williams (1986) over several seeds.

Usage: python -m scripts.lectures.symmetry_1986 [SEEDS]

For each seed: after how many sweeps all 64 vectors are right and stay right, and the learnt
weights of the two hidden units. The paper needed 1,425 sweeps for its one network.
"""

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

import tftrain
from tftrain.experiment.build import fit_settings, loss_of, network_of, optimizer_of
from tftrain.experiment.prepare import prepare
from tftrain.training import EpochRecord, Observer

CONFIG = Path(__file__).parents[2] / "configs" / "symmetry_1986.yaml"
SWEEPS = 20_000


class Sweeps(Observer):
    """Counts the sweeps until all answers are right for good."""

    def __init__(self, network: tf.Module, x: tf.Tensor, answers: np.ndarray) -> None:
        self.predict = tf.function(network)
        self.x = x
        self.answers = answers
        self.last_wrong = 0

    def on_epoch(self, record: EpochRecord) -> None:
        right = (self.predict(self.x).numpy()[:, 0] > 0.5) == self.answers
        if not right.all():
            self.last_wrong = record.epoch


def main(seeds: int) -> None:
    """Train with seeds 0, 1, ... and print a line for each."""
    solved = []
    for seed in range(seeds):
        config = tftrain.load_config(CONFIG, [f"seed={seed}", f"training.epochs={SWEEPS}"])
        prepared = prepare(config)
        frame = prepared.frame
        x = tf.constant(frame.filter(like="bit_").to_numpy(), tf.float32)
        y = tf.constant(frame[["symmetric"]].to_numpy(), tf.float32)
        network = network_of(config, prepared.plan)
        sweeps = Sweeps(network, x, frame["symmetric"].to_numpy(bool))
        tftrain.fit(
            network,
            x,
            y,
            loss=loss_of(config),
            optimizer=optimizer_of(config, len(frame)),
            observers=[sweeps],
            **fit_settings(config),
        )
        count = sweeps.last_wrong + 1
        outcome = "not solved"
        if count <= config.training.epochs:
            solved.append(count)
            outcome = f"{count:5} sweeps"
        print(f"seed {seed}: {outcome}")
        for unit in network.layers[0].weight.numpy().T:
            ratios = np.sort(np.abs(unit[:3]))
            print(
                "  weights "
                + " ".join(f"{w:7.2f}" for w in unit)
                + f"   largest |w_i + w_7-i| {np.max(np.abs(unit + unit[::-1])):.2f}"
                + "   magnitudes 1 : "
                + " : ".join(f"{r:.2f}" for r in ratios[1:] / ratios[0])
            )
    print(f"{len(solved)} of {seeds} seeds solved", end="")
    print(f"; median {np.median(solved):.0f} sweeps" if solved else "")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
