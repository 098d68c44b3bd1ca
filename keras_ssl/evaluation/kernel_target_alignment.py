"""How well a kernel fits labels."""

from typing import Any

import numpy as np

__all__ = ["kernel_target_alignment"]


def kernel_target_alignment(kernel: Any, targets: Any, center: bool = False) -> float:
    """The cosine between a kernel matrix and that of the targets: how much a kernel method learns from few samples.

    `A = <K, Y Y^T> / (||K||_F ||Y Y^T||_F)`; with one target for each sample, `y^T K y / (||K||_F ||y||^2)`. It is 1
    for `K = y y^T`, and lies in [0, 1] for positive semi-definite K. With the tangent kernel of a network at its start,
    a low alignment and lazy training together delay generalization ("grokking").

    Args:
        kernel: symmetric matrix `[N, N]`, such as `features @ features.T`.
        targets: `[N]` or `[N, C]`: numbers, not class indices; for two classes -1 and 1, for more one-hot rows.
        center: whether to remove the mean over samples from both (`H K H`, `H = I - 1/N`): "centered alignment".
            Defaults to False.

    Returns:
        A float in [-1, 1]; 0 where the kernel or the targets are zero.

    Raises:
        ValueError: if shapes do not fit, values are not finite, or the kernel is not symmetric.

    Example:

    >>> y = np.array([1.0, -1.0, 1.0])
    >>> round(kernel_target_alignment(np.outer(y, y), y), 6), round(kernel_target_alignment(np.eye(3), y), 4)
    (1.0, 0.5774)

    Reference: Cristianini et al., "On Kernel-Target Alignment", NeurIPS 2001; Kumar et al., "Grokking as the Transition
    from Lazy to Rich Training Dynamics", ICLR 2024.
    """
    k, y = np.asarray(kernel, "float64"), np.asarray(targets, "float64")
    if k.ndim != 2 or k.shape[0] != k.shape[1] or not k.shape[0]:
        raise ValueError(f"`kernel` must be a square matrix. Received: kernel.shape={k.shape}")
    if y.ndim not in (1, 2) or len(y) != len(k):
        raise ValueError(
            f"`targets` must be [N] or [N, C], N={len(k)} as the kernel has. Received: targets.shape={y.shape}"
        )
    for name, values in (("kernel", k), ("targets", y)):
        if not np.isfinite(values).all():
            raise ValueError(f"`{name}` must be finite. Received: {name} with NaN or infinity")
    scale = np.abs(k).max()
    if np.abs(k - k.T).max() > 1e-5 * scale:
        raise ValueError(f"`kernel` must be symmetric. Received: kernel with differences of {np.abs(k - k.T).max()}")
    y = y.reshape(len(y), -1)
    if center:
        y = y - y.mean(axis=0)
        k = k - k.mean(axis=0) - k.mean(axis=1, keepdims=True) + k.mean()
    # Scaled first, so that no square leaves the numbers.
    k, y = k / (np.abs(k).max() or 1.0), y / (np.abs(y).max() or 1.0)
    length = np.linalg.norm(k) * np.linalg.norm(y.T @ y)
    return float(np.clip(np.sum(y * (k @ y)) / length, -1.0, 1.0)) if length > 0 else 0.0
