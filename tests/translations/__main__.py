"""``make messages``: brings every catalogue up to the code, compiles it, and says what is left to translate."""

from __future__ import annotations

import sys

from .catalogue import is_translated, key, messages, mo_bytes, paths, po_bytes, read, updated
from .extraction import ROOT, found


def main() -> None:
    """Write what changed. Messages that the code no longer has are dropped, and named with their translations."""
    for po in paths():
        old = read(po)
        new = updated(old, found())
        po.write_bytes(po_bytes(new))
        po.with_suffix(".mo").write_bytes(mo_bytes(new))
        kept = {key(message) for message in messages(new)}
        dropped = [message for message in messages(old) if key(message) not in kept and message.string]
        missing = [message for message in messages(new) if not is_translated(message)]
        lines = [f"{po.relative_to(ROOT)}: {len(kept)} messages, {len(missing)} to translate"]
        lines += [f"  dropped: {message.id!r} = {message.string!r}" for message in dropped]
        lines += [f"  translate: {message.id!r} ({message.locations[0][0]})" for message in missing]
        sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
