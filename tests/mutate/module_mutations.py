"""The same for the filter in Envoy: each wrong line repeats an allow for whom it was not given, or one without a record."""

from __future__ import annotations

from tests.mutate.mutation import Mutation

_SRC = "src/envoy_module"
_FILTER, _HEADERS, _KEY, _CHAIN, _PERMIT = (
    f"{_SRC}/{name}.c" for name in ("decision_cache", "headers", "key", "chain", "permit")
)
_KEYS = ("tests/module/test_keys.py",)
_PERMITS = ("tests/module/test_permits.py",)
_RECORDS = ("tests/module/test_records.py",)


def envoy_module() -> list[Mutation]:
    return [
        Mutation(
            "the filter forgets the epoch", _FILTER, "entry->permit.epoch == board_epoch(&thread->board) && ", "", _RECORDS
        ),
        Mutation(
            "the filter learns what older rules allowed", _FILTER, " || permit.epoch != epoch || now", " || now", _PERMITS
        ),
        Mutation("the filter repeats for ever", _FILTER, " && now < entry->permit.until", "", _RECORDS),
        Mutation("the filter's clock may be set back", _FILTER, "entry->since <= now && ", "", _RECORDS),
        Mutation(
            "the filter learns of a refusal", _FILTER, 'if (begins_with(details, TEXT("ext_authz"))) {',
            "if (details.length == 0) {", _PERMITS,
        ),
        Mutation(
            "a worker may permit it for ever", _FILTER, "permit.until - now > LONGEST_US", "permit.until < now", _PERMITS
        ),
        Mutation("the filter takes any of two correlation ids", _HEADERS, "count != 1 || ", "", _KEYS),
        Mutation(
            "a header that could not be set is no matter", _HEADERS, "!is_removal(name) && !set_header(envoy, name, value)",
            "!is_removal(name) && !set_header(envoy, name, value) && false", _PERMITS,
        ),
        Mutation(
            "the filter sets more headers than Envoy takes", _HEADERS,
            "return count <= MOST_HEADERS && size <= MOST_HEADER_BYTES;", "return true;", _KEYS,
        ),
        *_keys(),
        *_permits(),
        *_records(),
    ]  # fmt: skip


def _keys() -> list[Mutation]:
    return [
        Mutation("the filter's key has no path", _KEY, '!add_pseudo_header(into, filter, TEXT(":path")) || ', "", _KEYS),
        Mutation(
            "the filter's key has no certificate", _KEY, "attribute(filter, PEER_CERTIFICATE_SHA256)",
            "attribute(filter, ROUTE_NAME)", _KEYS,
        ),
        Mutation("the filter's key has no route", _KEY, "attribute(filter, ROUTE_NAME)", 'TEXT("")', _KEYS),
        Mutation(
            "the filter's key has no lengths", _KEY, "return add_number(key, part.length) && add(", "return add(", _KEYS
        ),
        Mutation(
            "the filter's key has the first value of a header", _KEY, "for (size_t i = 0; i < count; i++) {",
            "for (size_t i = 0; i < count && i < 1; i++) {", _KEYS,
        ),
        Mutation(
            "a request with a missing part is known", _KEY, "count == 1 && add_part(key, value)",
            "add_part(key, value) && count < 3", _KEYS,
        ),
    ]  # fmt: skip


def _permits() -> list[Mutation]:
    return [
        Mutation("a permit sets any header", _PERMIT, "|| is_among(owned, name);", "|| owned->count > 0;", _PERMITS),
        Mutation("a permit ends a record's line", _PERMIT, "if (is_control(piece[i].ptr[at])) {",
            "if (piece[i].ptr[at] == 1) {", _PERMITS),
        Mutation("what stands behind a permit is no matter", _PERMIT, " && rest.length == 0 && is_record", " && is_record",
            _PERMITS),
        Mutation("one permit has several texts", _PERMIT, "return (held & stray) == 0 ?", "return stray < 16 ?", _PERMITS),
        Mutation("a permit removes the host", _PERMIT, '|| same(name, TEXT("host"))', "", _PERMITS),
    ]  # fmt: skip


def _records() -> list[Mutation]:
    return [
        Mutation(
            "the filter goes on without its record", _FILTER,
            "    if (!is_recorded(thread, &own->destination, &entry->permit, correlation_id, duration_us) ||\n",
            "    is_recorded(thread, &own->destination, &entry->permit, correlation_id, duration_us);\n    if (", _RECORDS,
        ),
        Mutation("half a record is a record", _FILTER, "if (written == (ssize_t)length) {", "if (written >= 0) {", _RECORDS),
        Mutation(
            "a number that was not used is missing", _FILTER, "        chain_not_written(&thread->chain);\n", "", _RECORDS
        ),
        Mutation(
            "the filter writes on behind a gap", _FILTER, "        thread->holds_chain = false;\n", "", _RECORDS
        ),
        Mutation(
            "the filter does not wait until a gap is recorded", _FILTER, "if (board_is_broken(&thread->board)) {",
            "if (thread->board.epoch == NULL) {", _RECORDS,
        ),
        Mutation("two write one chain", _CHAIN, "if (locked(chain, F_WRLCK) != 0) {", "if (locked(chain, F_WRLCK) > 0) {",
            _RECORDS),
        Mutation("the filter finds no gap", _CHAIN, "chain->begun != chain->written || ", "", _RECORDS),
        Mutation("the filter finds no losses", _CHAIN, " || word_of(&chain->words[LOST]) != 0", "", _RECORDS),
        Mutation("the filter does not note what it begins", _CHAIN, "    set_word(&chain->words[BEGUN], number);\n", "",
            _RECORDS),
        Mutation("the filter's key stays the same", _CHAIN, "    if (number % KEY_SPAN == 0) {\n        use_key(chain, number);",
            "    if (number == 0) {\n        use_key(chain, number);", _RECORDS),
        Mutation("a record is longer than a pipe takes at once", _CHAIN, "if (whole > LONGEST_LINE) {",
            "if (whole > LONGEST_LINE + 1) {", _PERMITS),
        Mutation("a record is glued to the rest of another", f"{_SRC}/destination.c", "return last != '\\n';",
            "return last == '\\0';", _RECORDS),
    ]  # fmt: skip
