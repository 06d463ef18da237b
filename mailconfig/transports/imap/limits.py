"""Caps on what a server may send, so that none fills our memory."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The most of each kind. What is longer breaks the protocol, and ends the session."""

    line: int = 1024 * 1024
    """Bytes of a line; a server that knows no ESEARCH tells what it found in one."""
    literal: int = 4 * 1024 * 1024
    """Bytes of a literal, and so of a piece of a message."""
    answer: int = 32 * 1024 * 1024
    """Bytes of all that comes between a command and the end of its answer."""
    responses: int = 100_000
    """Responses in an answer."""
    tokens: int = 50_000
    """Words, strings and lists in a response …"""
    answer_tokens: int = 1_000_000
    """… and in an answer: small ones take twenty times as much memory as they have bytes."""

    @classmethod
    def before_login(cls, size: int) -> Limits:
        """Return caps for a server that has no business yet to send much."""
        return cls(line=size, literal=size, answer=size, responses=200, tokens=2_000, answer_tokens=10_000)
