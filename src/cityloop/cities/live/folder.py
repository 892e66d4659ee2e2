"""The folder of a live city: ``city.toml`` with a table ``[live]``, and the city document that it names."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from cityloop.cities.live.clock import PacedClock
from cityloop.cities.live.services import check_services
from cityloop.domains.emergency.schema import DOMAIN as EMERGENCY
from cityloop.domains.emergency.schema import HOSPITALS, EmergencyTable, HospitalTable
from cityloop.domains.refuse.schema import DOMAIN as REFUSE
from cityloop.domains.refuse.schema import RoundsTable
from cityloop.domains.signals.schema import DOMAIN as SIGNALS
from cityloop.domains.signals.schema import SignalAssets
from cityloop.kernel.errors import ConfigError
from cityloop.kernel.layout import Passages, Units
from cityloop.wire.city_document import CityDocument, decode_city_document, encode_city_document

__all__ = ["CITY_FILE", "TABLES", "LiveCase", "LiveToml", "is_live_folder", "read_live_case", "write_live_folder"]

CITY_FILE = "city.toml"
_DOCUMENT = "city.json"

TABLES: Mapping[str, type] = {
    SIGNALS: SignalAssets,
    EMERGENCY: EmergencyTable,
    HOSPITALS: HospitalTable,
    REFUSE: RoundsTable,
    "units": Units,
    "passages": Passages,
}
"""What a city document may hold beside the tables of every layout. A city without a service leaves its table out."""


class LiveToml(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of ``[live]``."""

    document: str = _DOCUMENT
    """The city document, beside ``city.toml``."""
    device: str = "field"
    """Who may write the city's streams and takes its leases."""
    zone: str = "UTC"
    label: str = ""
    """What a page says about it, such as that its field is simulated."""
    simulated: bool = False
    """Whether the field is a simulation's, of which people may do everything."""
    twin: str = ""
    """The city in which what-ifs are run: a city folder beside ``city.toml``, or a built-in; empty for none."""
    settle_ms: int = 500
    """How long after each whole second readings are waited for; a decision is made then. [ms]"""
    answer_ms: int = 250
    """How long receipts are waited for. [ms]"""
    pace: float = 1.0
    """Seconds of the city's a second: 1 on a street; more for a simulated field that agrees on it."""
    origin_ms: int = 0
    """The instant at which a faster clock showed the wall's time. [ms]"""

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if not 0 <= self.settle_ms <= 900:
            raise ValueError(f"settle_ms is {self.settle_ms}; give 0 to 900")
        if not 0 <= self.answer_ms <= 4000:
            raise ValueError(f"answer_ms is {self.answer_ms}; give 0 to 4000")
        if not self.device or any(sign in self.device for sign in "/+#\0"):
            raise ValueError(f"device is {self.device!r}; give a name without / + #")


class _CityToml(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    live: LiveToml


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveCase:
    """A live city, as its folder tells it."""

    folder: Path
    name: str
    toml: LiveToml
    document: CityDocument
    document_file: Path

    def twin(self) -> str:
        """Return the twin's name; a folder is looked for beside ``city.toml``."""
        beside = self.folder / self.toml.twin
        return str(beside) if beside.exists() else self.toml.twin

    def clock(self) -> PacedClock:
        """Return the city's clock."""
        return PacedClock(self.toml.pace, self.toml.origin_ms)


def is_live_folder(text: str) -> bool:
    """Tell whether a city's name is the folder of a live city."""
    path = Path(text).expanduser()
    path = path / CITY_FILE if path.is_dir() else path
    if path.name != CITY_FILE or not path.is_file():
        return False
    try:
        return "live" in tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError):
        return False


def read_live_case(text: str) -> LiveCase:
    """Read the folder of a live city."""
    path = Path(text).expanduser()
    city_file = path / CITY_FILE if path.is_dir() else path
    folder = city_file.parent
    try:
        toml = msgspec.convert(tomllib.loads(city_file.read_text(encoding="utf-8")), _CityToml)
        ZoneInfo(toml.live.zone)
        PacedClock(toml.live.pace)
    except OSError as error:
        raise ConfigError(f"{city_file}: cannot be read ({error.strerror or error}); check it") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{city_file}: not valid TOML ({error}); correct that line") from error
    except (msgspec.ValidationError, KeyError, ValueError) as error:
        raise ConfigError(f"{city_file}: {error}") from error
    document_file = folder / toml.live.document
    try:
        data = document_file.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"{city_file}: live.document: {document_file} cannot be read ({error.strerror or error}); "
            "make it with cityloop twin layout, or write it as docs/live.md tells"
        ) from error
    document = decode_city_document(data, TABLES, str(document_file))
    check_services(document.layout, str(document_file))
    return LiveCase(folder=folder, name=toml.name, toml=toml.live, document=document, document_file=document_file)


def write_live_folder(folder: Path, document: CityDocument, live: LiveToml) -> None:
    """Write the folder of a live city."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / live.document).write_bytes(encode_city_document(document.name, document.layout))
    lines = ["# A city whose field is run by others; docs/live.md tells the keys.", f"name = {_toml(document.name)}"]
    lines += ["", "[live]"]
    lines += [f"{key} = {_toml(value)}" for key, value in msgspec.structs.asdict(live).items()]
    (folder / CITY_FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _toml(value: object) -> str:
    # A JSON string, number or truth is one of TOML too.
    return msgspec.json.encode(value).decode()
