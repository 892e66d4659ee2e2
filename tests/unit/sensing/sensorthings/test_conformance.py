"""What the service root claims: requirements of the standard by their own names, each with tests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

SPEC = "http://www.opengis.net/spec/iot_sensing/1.1/req/"
HERE = Path(__file__).parent
TESTS = HERE.parents[2]

_ENTITIES = {
    "thing": "test_datamodel.py::test_entity_carries_id_self_link_and_navigation_links",
    "location": "test_datamodel.py::test_properties_come_back_as_they_were_given",
    "historical-location": "test_history.py::test_new_location_of_a_thing_is_noted_in_its_history",
    "datastream": "test_datamodel.py::test_datastream_keeps_unit_and_type",
    "sensor": "test_datamodel.py::test_properties_come_back_as_they_were_given",
    "observed-property": "test_datamodel.py::test_properties_come_back_as_they_were_given",
    "observation": "test_datamodel.py::test_observation_with_all_properties_comes_back",
    "feature-of-interest": "test_datamodel.py::test_properties_come_back_as_they_were_given",
}
REQUIREMENTS = {
    **{
        f"datamodel/{entity}/{part}": test for entity, test in _ENTITIES.items() for part in ("properties", "relations")
    },
    "datamodel/entity-control-information/common-control-information": (
        "test_datamodel.py::test_entity_carries_id_self_link_and_navigation_links"
    ),
    "resource-path/resource-path-to-entities": "test_paths.py::test_path_follows_links_to_one_and_to_many",
    "request-data/status-code": "test_paths.py::test_wrong_path_is_named",
    "request-data/query-status-code": "test_query_options.py::test_wrong_option_is_named",
    "request-data/order": "test_query_options.py::test_options_are_evaluated_in_the_order_of_the_standard",
    "request-data/expand": "test_query_options.py::test_expand_shows_linked_entities_in_place",
    "request-data/select": "test_query_options.py::test_select_shows_only_what_is_named",
    "request-data/orderby": "test_query_options.py::test_orderby_sorts_up_down_and_by_several",
    "request-data/top": "test_query_options.py::test_pages_hang_together",
    "request-data/skip": "test_query_options.py::test_pages_hang_together",
    "request-data/count": "test_query_options.py::test_all_observations_are_counted_once_wherever_they_lie",
    "request-data/filter": "test_filter.py::test_filter_of_observations",
    "request-data/built-in-filter-operations": "test_filter.py::test_filter_of_things",
    "request-data/built-in-query-functions": "test_filter.py::test_filter_by_place",
    "request-data/pagination": "test_query_options.py::test_collections_are_cut_to_a_hundred",
    "create-update-delete/create-entity": "test_writes.py::test_create_answers_201_with_location_and_entity",
    "create-update-delete/link-to-existing-entities": "test_writes.py::test_link_to_existing_entities",
    "create-update-delete/deep-insert": "test_writes.py::test_deep_insert_makes_all_or_nothing",
    "create-update-delete/deep-insert-status-code": "test_writes.py::test_deep_insert_makes_all_or_nothing",
    "create-update-delete/update-entity": "test_writes.py::test_patch_changes_only_what_it_names",
    "create-update-delete/update-entity-put": "test_writes.py::test_put_replaces_the_whole",
    "create-update-delete/update-entity-jsonpatch": "test_writes.py::test_json_patch_changes_by_operations",
    "create-update-delete/delete-entity": "test_writes.py::test_delete_takes_along_what_cannot_be_without",
    "create-update-delete/historical-location-auto-creation": (
        "test_history.py::test_new_location_of_a_thing_is_noted_in_its_history"
    ),
    "create-update-delete/historical-location-manual-creation": (
        "test_history.py::test_history_that_is_newer_moves_the_thing"
    ),
    "batch-request/batch-request": "test_batches.py::test_multipart_batch_with_a_change_set",
    "multi-datastream/properties": "test_arrays_and_multi.py::test_multi_datastream_keeps_results_in_order",
    "multi-datastream/relations": "test_arrays_and_multi.py::test_multi_datastream_keeps_results_in_order",
    "multi-datastream/constraints": "test_arrays_and_multi.py::test_multi_datastream_that_does_not_add_up_is_refused",
    "data-array/data-array": "test_arrays_and_multi.py::test_rows_of_many_datastreams_in_one_body",
    "create-observations-via-mqtt/observations-creation": (
        "system/sensorthings/test_mqtt.py::test_published_observation_is_created"
    ),
    "receive-updates-via-mqtt/receive-updates": (
        "system/sensorthings/test_mqtt.py::test_subscribers_are_told_of_every_observation"
    ),
}
"""The requirements of 18-088, all of them, by the names it gives them, each with the first of its tests."""

WHOLE_CLASSES = {"datamodel", "request-data", "multi-datastream"}
"""Claimed under the name of the class too, by which clients look."""


def test_the_root_claims_the_requirements_of_the_standard_by_their_names(client):
    """No name is made up, and none that is met goes untold: clients switch on what they find here."""
    claimed = client.get("")["serverSettings"]["conformance"]
    assert sorted(claimed) == sorted(SPEC + one for one in {*REQUIREMENTS, *WHOLE_CLASSES})


@pytest.mark.parametrize("requirement", REQUIREMENTS)
def test_every_requirement_has_its_test(requirement):
    """The test that is named is there."""
    file, _, name = REQUIREMENTS[requirement].partition("::")
    folder = TESTS if file.startswith("system/") else HERE
    assert f"def {name}(" in (folder / file).read_text(encoding="utf-8")


def test_every_class_is_on_the_page():
    """docs/sensorthings.md tells what is tested where, class by class."""
    page = (TESTS.parent / "docs" / "sensorthings.md").read_text(encoding="utf-8")
    rows = " ".join(re.findall(r"^\| `.*$", page, re.MULTILINE))
    assert [one for one in REQUIREMENTS if one.split("/")[0] not in rows] == []
