"""Fine-tuning: the optimiser that can be saved, checkpoints, and the command that goes on from them (docs/training.md)."""
