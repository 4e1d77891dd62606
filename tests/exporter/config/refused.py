"""What is said of each invalid file beside this module, after the file's name."""

from __future__ import annotations

from tests.exporter.config.loading import DURATION

ADDRESS = (
    "expected an address such as :9177, 127.0.0.1:9177, localhost:9177, '[::1]:9177' "
    "or unix:/run/exporter.sock"
)
LABEL_NAME = (
    "expected a label name of letters, digits and underscores that starts with no digit "
    "and no double underscore"
)
TOP = (
    "(allowed here: libvirt, web, collectors, metrics, logging, probe, modules, targets, metadata, "
    "filter)"
)
COLLECTORS = (
    "(allowed here: domain, disk, network, host, storage, jobs_interval, slow_interval, "
    "guest_agent_interval, guest_agent_timeout, min_interval, enable, disable)"
)
REGEX = "expected a regular expression for the whole text, such as web-[0-9]+, or a list of them"
KEYS_ARE_TEXT = "a key must be plain text; merge keys (<<) and other keys are not supported"
NAME = "expected a name: text in quotes that is no URI and has no white space around it"
PATTERN = r"expected a regular expression such as qemu\+tls://[a-z0-9.-]+/system, or a list of them"
TARGET = "(allowed here: uri, module, username, password_file, read_only, labels)"

OF_HYPERVISORS = {
    "connection_name_empty": (f":3: libvirt.connections[0].name: {NAME}, got text"),
    "connection_name_number": (f":3: libvirt.connections[0].name: {NAME}, got a number"),
    "connection_name_twice": (
        ":6: libvirt.connections[2].name: the name 'a' is given twice, first by "
        "libvirt.connections[0]"
    ),
    "connection_not_mapping": (
        ":3: libvirt.connections[0]: expected a mapping of settings, got text"
    ),
    "connection_required": (
        ":3: libvirt.connections[0].name: is required\n"
        "connection_required.yaml:3: libvirt.connections[0].uri: is required\n"
        "connection_required.yaml:4: libvirt.connections[1].name: is required\n"
        "connection_required.yaml:4: libvirt.connections[1].uri: is required"
    ),
    "connection_uri": (
        ":5: libvirt.connections[1].uri: this libvirt URI cannot be used: a password has "
        "no place in a URI and libvirt uses none from there: write user@host, and the "
        "password into libvirt's auth.conf"
    ),
    "connections_beside_uri": (
        ":2: libvirt.uri: cannot stand beside libvirt.connections: give each connection "
        "its own uri\n"
        "connections_beside_uri.yaml:3: libvirt.username: cannot stand beside "
        "libvirt.connections: give each connection its own username\n"
        "connections_beside_uri.yaml:4: libvirt.password_file: cannot stand beside "
        "libvirt.connections: give each connection its own password_file"
    ),
    "connections_empty": (
        ":1: libvirt.connections: expected a list of connections, got an empty one"
    ),
    "connections_mapping": (
        ":2: libvirt.connections: expected a list of connections, got a mapping"
    ),
    "label_host": (
        ":1: metrics.extra_labels: the label host is the exporter's own; choose another name"
    ),
    "module_collector": (
        ":5: modules.fast.collectors.domain.perf: expected true or false, got "
        "'sometimes'\n"
        "module_collector.yaml:4: modules.fast.collectors.disc: unknown key, did you mean "
        f"modules.fast.collectors.disk? {COLLECTORS}"
    ),
    "module_label": (
        ":3: modules.fast.labels: the label host is the exporter's own; choose another name"
    ),
    "module_name": (f":2: modules: {NAME}, got a number"),
    "module_timeout": (f":2: modules.fast.timeout: {DURATION}, got 'soon'"),
    "modules_list": (":1: modules: expected a mapping of names to modules, got a list"),
    "password_file_type": (
        ":1: libvirt.password_file: expected the name of a file that holds the password, "
        "got a number"
    ),
    "probe_connections": (
        ":1: probe.max_connections: expected a whole number from 1 to 10000, got 0"
    ),
    "probe_key": (
        ":1: probe.alow: unknown key, did you mean probe.allow? (allowed here: allow, "
        "max_connections, idle_timeout)"
    ),
    "probe_pattern": (
        ":2: probe.allow: regular expression 2 is invalid: missing ), unterminated "
        "subpattern at position 7"
    ),
    "probe_pattern_empty": (f":1: probe.allow: {PATTERN}, got text"),
    "target_key": (
        f":4: targets.hv1.modul: unknown key, did you mean targets.hv1.module? {TARGET}\n"
        "target_key.yaml:5: targets.hv1.password: unknown key, did you mean "
        f"targets.hv1.password_file? {TARGET}"
    ),
    "target_label": (f":4: targets.hv1.labels: {LABEL_NAME}, got '1rack'"),
    "target_module": (":2: targets.hv1.module: expected one of default, fast, got 'fsat'"),
    "target_name_is_no_key": (
        f":2: targets.hv1.name: unknown key, did you mean targets.hv1.username? {TARGET}"
    ),
    "target_name_uri": (
        f":2: targets: {NAME}, got text\n"
        "target_name_uri.yaml:4: targets.(a URI).modul: unknown key, did you mean "
        f"targets.(a URI).module? {TARGET}"
    ),
    "target_not_mapping": (":1: targets.hv1: expected a mapping of settings, got text"),
    "target_read_only": (":1: targets.hv1.read_only: expected true or false, got 1"),
    "target_required": (
        ":2: targets.hv1.uri: is required\ntarget_required.yaml:3: targets.hv2.uri: is required"
    ),
    "target_username": (
        ":4: targets.hv1.username: expected a user's name as printable text, got a number"
    ),
    "targets_list": (":1: targets: expected a mapping of names to targets, got a list"),
    "uri_alias_like": (
        ":1: libvirt.uri: this libvirt URI cannot be used: it has no driver and is no "
        "alias of libvirt.conf: write qemu:///system, for instance"
    ),
    "uri_transport": (
        ":1: libvirt.uri: this libvirt URI cannot be used: +telnet is no transport: write "
        "one of +unix, +tls, +tcp, +ssh"
    ),
}

ELEMENTS = (
    "has to be names of elements without a prefix, or *, with a slash between two, such as "
    "owner/user, and may end in an attribute, such as owner/user/@uuid"
)

OF_METADATA = {
    "metadata_length": (
        ":1: metadata.max_label_length: expected a whole number from 16 to 65536, got 15"
    ),
    "metadata_profile_twice": ":2: metadata.profiles: the profile nova is given twice",
    "metadata_profiles": (
        ":2: metadata.profiles: expected one of nova, ovirt, cloudstack, opennebula, libosinfo, "
        "or a list of them, got 'openstack'"
    ),
    "metadata_rule_required": (
        ":3: metadata.rules[0].namespace: is required\n"
        "metadata_rule_required.yaml:3: metadata.rules[0].path: is required\n"
        "metadata_rule_required.yaml:3: metadata.rules[0].label: is required"
    ),
    "metadata_rule_values": "\nmetadata_rule_values.yaml".join(
        (
            (
                ":3: metadata.rules[0].name: expected a name of small letters, digits and single "
                "underscores, such as team, got 'Team'"
            ),
            (
                ":4: metadata.rules[0].namespace: expected the URI of an XML namespace in quotes, "
                "'' for libvirt's own elements, got 5"
            ),
            f":5: metadata.rules[0].path: the path '//owner' {ELEMENTS}",
            f":6: metadata.rules[0].label: {LABEL_NAME}, got '1st'",
            (
                ":7: metadata.rules[1].name: libvirt_domain_disk_info would hide one of the "
                "exporter's own metrics; choose another name"
            ),
            (
                ":9: metadata.rules[1].path: the path '@uuid' names an attribute of no element, "
                "write element/@attribute"
            ),
            (
                ":10: metadata.rules[1].label: the label uuid says which domain it is; "
                "choose another name"
            ),
            (
                ":11: metadata.rules[2].name: libvirt_domain_openstack_info would hide one of the "
                "exporter's own metrics; choose another name"
            ),
            f":13: metadata.rules[2].path: the path 'owner[1]' {ELEMENTS}",
            f":14: metadata.rules[2].label: {LABEL_NAME}, got '__name__'",
        )
    ),
    "metadata_rules_mapping": ":2: metadata.rules: expected a list of rules, got a mapping",
}

REFUSED = (
    OF_HYPERVISORS
    | OF_METADATA
    | {
        "address_host": f":1: web.listen_address: {ADDRESS}, got 'bad host:9177'",
        "address_ip": f":1: web.listen_address: {ADDRESS}, got '127.0.0.300:9177'",
        "address_list_empty": (
            f":1: web.listen_address: {ADDRESS}, or a list of them, got an empty list"
        ),
        "address_number": f":1: web.listen_address: {ADDRESS}, got 9177",
        "address_port": f":1: web.listen_address: {ADDRESS}, got ':65536'",
        "address_twice": ":1: web.listen_address: the address :9177 is given twice",
        "boolean_number": ":1: collectors.domain.stats: expected true or false, got 1",
        "boolean_text": ":1: libvirt.read_only: expected true or false, got 'true'",
        "choice_format": ":1: logging.format: expected one of text, json, got 'xml'",
        "choice_level": ":1: logging.level: expected one of debug, info, warning, error, got 'loud'",
        "duration_negative": f":1: libvirt.timeout: {DURATION}, got -5",
        "duration_not_finite": f":1: libvirt.timeout: {DURATION}, got inf",
        "duration_range": f":1: libvirt.timeout: {DURATION} from 1ms to 1d, got '2d'",
        "duration_type": f":1: libvirt.timeout: {DURATION}, got a list",
        "duration_unit": f":1: libvirt.timeout: {DURATION}, got '10 parsecs'",
        "duration_zero": f":1: libvirt.timeout: {DURATION} from 1ms to 1d, got 0",
        "file_type": ":1: logging.file: expected a file name, got 5",
        "integer_boolean": ":1: libvirt.parallel: expected a whole number from 1 to 64, got true",
        "integer_range": ":1: libvirt.parallel: expected a whole number from 1 to 64, got 65",
        "integer_type": ":1: libvirt.parallel: expected a whole number from 1 to 64, got '4'",
        "key_hexadecimal": (
            ":1: libvirt.5: unknown key (allowed here: uri, timeout, reconnect_interval, parallel, "
            "max_stuck_calls, keepalive_interval, keepalive_count, read_only, username, "
            "password_file, connections)"
        ),
        "key_list": f":1: {KEYS_ARE_TEXT}",
        "key_merge": f":3: {KEYS_ARE_TEXT}",
        "key_not_text": f":1: 5: unknown key {TOP}",
        "key_twice": ":4: libvirt.timeout: given twice, first on line 2",
        "key_unknown": (
            ":3: libvirt.timeuot: unknown key, did you mean libvirt.timeout? (allowed here: uri, "
            "timeout, reconnect_interval, parallel, max_stuck_calls, keepalive_interval, "
            "keepalive_count, read_only, username, password_file, connections)"
        ),
        "key_unknown_elsewhere": f":1: timeout: unknown key, did you mean libvirt.timeout? {TOP}",
        "key_unknown_section": f":1: collector: unknown key, did you mean collectors? {TOP}",
        "label_name": f":1: metrics.extra_labels: {LABEL_NAME}, got '1rack'",
        "label_private": f":1: metrics.extra_labels: {LABEL_NAME}, got '__name__'",
        "label_reserved": (
            ":1: metrics.extra_labels: the label domain is the exporter's own; choose another name"
        ),
        "label_type": (
            ":1: metrics.extra_labels: expected a mapping of label names to text, such as rack: r12, "
            "got a list"
        ),
        "label_value": (
            ":1: metrics.extra_labels: the value of the label rack must be text in quotes, got true"
        ),
        "many_mistakes": (
            f":2: libvirt.timeout: {DURATION}, got 'soon'\n"
            "many_mistakes.yaml:3: libvirt.parallel: expected a whole number from 1 to 64, got 0\n"
            "many_mistakes.yaml:5: web.listen_adress: unknown key, did you mean web.listen_address? "
            "(allowed here: listen_address, telemetry_path, timeout_offset, config_file, "
            "systemd_socket, max_connections, max_requests, enable_lifecycle)\n"
            "many_mistakes.yaml:8: collectors.domain.stats: expected true or false, got 'maybe'\n"
            "many_mistakes.yaml:9: collectors.disks: unknown key, did you mean collectors.disk? "
            f"{COLLECTORS}"
        ),
        "filter_metadata": (
            ":2: filter.domain_metadata_include: expected a label and a regular expression for the "
            "whole of its value, such as project_name=web-.*, or a list of them, got 'project_name'"
        ),
        "filter_regex": (
            ":2: filter.domain_name_include: the regular expression 'web-(' is invalid: missing ), "
            "unterminated subpattern at position 4\n"
            f"filter_regex.yaml:3: filter.disk_exclude: {REGEX}, got 7"
        ),
        "filter_state": (
            ":2: filter.domain_state_exclude: 'stopped' matches none of the states nostate, running, "
            "blocked, paused, shutdown, shutoff, crashed, pmsuspended, unknown"
        ),
        "metric_row_required": (
            ":3: metrics.rows[0].name: is required\n"
            "metric_row_required.yaml:3: metrics.rows[0].help: is required\n"
            "metric_row_required.yaml:3: metrics.rows[0].fields: unknown key, did you mean "
            "metrics.rows[0].field? (allowed here: field, name, help, type, unit, multiplier, "
            "divisor, labels)"
        ),
        "path_own_page": (
            ":1: web.telemetry_path: /-/healthy is one of the exporter's own pages; use another, "
            "such as /metrics"
        ),
        "path_relative": (
            ":1: web.telemetry_path: expected an absolute path without a query, such as /metrics, "
            "got 'metrics'"
        ),
        "section_type": ":1: libvirt: expected a mapping of settings, got text",
        "uri": ":1: libvirt.uri: this libvirt URI cannot be used: it has a ' ': write %20 for it",
        "warnings_is_no_key": f":1: warnings: unknown key {TOP}",
        "yaml_alias_unknown": ":1:10: not valid YAML: found undefined alias 'nothing'",
        "yaml_bad_scalar": ": a value does not fit its YAML type; put text in quotes",
        "yaml_control_character": ":2:9: the character U+0001 is not allowed in YAML",
        "yaml_list": ": expected a mapping of settings at the top",
        "yaml_not_utf8": ":2: the file is not UTF-8 text",
        "yaml_python_object": (
            ":1:10: not valid YAML: could not determine a constructor for the tag "
            "'tag:yaml.org,2002:python/object/apply:os.system'"
        ),
        "yaml_syntax": (
            ":3:2: not valid YAML: while parsing a block mapping, expected <block end>, "
            "but found '<block mapping start>'"
        ),
        "yaml_two_documents": (
            ":3:1: not valid YAML: expected a single document in the stream, but found another document"
        ),
    }
)
