"""The clip maker: real telephone prompts joined to recordings whose language is known.

    packages ──apt-get download, dpkg -x──▶ prompts ──plan──▶ recipes ──mix──▶ samples ──▶ files

`packages` names the Debian packages and unpacks them without installing, `prompts` reads what is
speech in them, `plan` decides from a seed which clip is made of what, `mix` makes the samples
(with `music` by formula), `formats` writes them, `folder` keeps the output folder in line.
"""

VERSION = "1.0.0"
"""Raise this when the same options would give other clips: older folders are then made again."""
