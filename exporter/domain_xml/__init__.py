"""The XML document of a domain: `parse_domain` reads it, `metadata_samples` shows it.

Pure: text goes in, values and samples come out. Import from here; the modules below are its parts.
"""

from exporter.domain_xml.document import (
    LARGEST_DOCUMENT_BYTES,
    BrokenXML,
    Element,
    parse_document,
)
from exporter.domain_xml.label_text import CUT, cut_text
from exporter.domain_xml.metadata import (
    CPU,
    RNG,
    TPM,
    Disk,
    DomainMetadata,
    Hostdev,
    Interface,
    LabelSet,
    Watchdog,
    parse_domain,
)
from exporter.domain_xml.samples import (
    DomainKeeping,
    keeping_samples,
    label_set_family,
    metadata_samples,
)

__all__ = [
    "CPU",
    "CUT",
    "LARGEST_DOCUMENT_BYTES",
    "RNG",
    "TPM",
    "BrokenXML",
    "Disk",
    "DomainKeeping",
    "DomainMetadata",
    "Element",
    "Hostdev",
    "Interface",
    "LabelSet",
    "Watchdog",
    "cut_text",
    "keeping_samples",
    "label_set_family",
    "metadata_samples",
    "parse_document",
    "parse_domain",
]
