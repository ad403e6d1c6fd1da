"""Ways of sharing weights between the architectures of a space."""

from trueshot.sharing.supernet import Active, Arch, Shared, Sharing, SinglePath, Supernet, single_path

__all__ = ["Active", "Arch", "Shared", "Sharing", "SinglePath", "Supernet", "single_path"]
