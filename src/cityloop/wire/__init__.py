"""Pure codecs: bytes in, values out, and back. No sockets, no files."""
