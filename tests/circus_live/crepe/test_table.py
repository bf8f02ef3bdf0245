"""Each row of CREPE's public surface: its names are here, and a test is about it.

The rows are things of CREPE with what was wrong with them. A test that is renamed or
goes away without another one in its place shows here.
"""

import ast
import importlib
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
CREPE = "circus_live.crepe"
MESSAGES, TEMPLATES = f"{CREPE}.messages", f"{CREPE}.templates"
EXPERIMENT, SERVICES = "crepe/test_experiment.py", "crepe/test_services.py"
HW_API, SPEAKER = "crepe/test_hw_api.py", "speaker/test_stimulator.py"

# row: names (module:name.attribute), and tests (file: names)
ROWS = {
    "CREPE": (
        [f"{CREPE}:CREPE"],
        {
            EXPERIMENT: [
                "test_a_chain_is_waited_for",
                # it started in the constructor, and changed the caller's keywords
                "test_the_constructor_starts_nothing_and_leaves_keywords_alone",
                # children saw a raw KeyboardInterrupt
                "test_an_interrupt_ends_in_order_without_a_traceback",
                "test_it_runs_outside_the_main_thread",
                # LIVE without periods died of its first item
                "test_live_record_records_what_the_services_see",
            ]
        },
    ),
    "CrepeModus": (
        [f"{CREPE}:CrepeModus.{n}" for n in ("LIVE", "FILE", "OFFLINE", "TEST")]
        + [f"{CREPE}:CrepeModus.LIVE_RECORD"],
        {
            EXPERIMENT: [
                "test_live_mode_without_a_server_raises_and_does_not_hang",
                "test_a_file_is_asked_for",
                "test_test_mode_gives_random_segments",
                "test_offline_mode_has_a_server_of_its_own",
                "test_live_record_records_what_the_services_see",  # a ValueError
                "test_live_record_has_the_stimuli_beside_the_samples",
            ]
        },
    ),
    "first and last queue": (
        [f"{CREPE}:CREPE.get_first_queue", f"{CREPE}:CREPE.get_last_queue"],
        {
            EXPERIMENT: ["test_the_raw_queue_with_a_timeout_and_the_end_marker"],
            # in LIVE the last one carried nothing
            SERVICES: ["test_the_experiment_runs_from_end_to_end_offline"],
        },
    ),
    "wait": (
        [f"{CREPE}:CREPE.wait"],
        {
            EXPERIMENT: [
                "test_a_chain_is_waited_for",
                # for ever, if a child had died
                "test_a_child_that_fails_reaches_the_parent_with_its_traceback",
                "test_a_child_that_is_killed_does_not_hang_the_parent",
            ]
        },
    ),
    "shutdown": (
        [f"{CREPE}:CREPE.shutdown", f"{CREPE}:CREPE._shutdown"],
        {
            EXPERIMENT: [
                "test_a_helper_in_the_main_process_reads_the_end",
                # files were left open, what was under way was lost
                "test_live_record_records_what_the_services_see",
                "test_nothing_is_left_of_a_program_that_is_killed",
            ]
        },
    ),
    "QueueService": (
        [f"{CREPE}:QueueService.{name}" for name in ("put", "get", "end")],
        {
            EXPERIMENT: [
                "test_a_service_may_end_twice",
                "test_a_queue_is_bounded_and_an_endless_service_can_be_ended",
            ],
            SERVICES: [
                "test_the_end_is_handed_on_once_however_often_it_is_said",
                "test_two_pills_are_one_end",
                "test_false_may_be_data",
                "test_a_queue_behaves_as_that_of_multiprocessing",
            ],
        },
    ),
    "empty_queue_and_get_last": (
        [f"{CREPE}:QueueService.empty_queue_and_get_last"],
        {SERVICES: ["test_the_newest_item_and_then_the_end"]},
    ),
    "get_x_elems": (
        [f"{CREPE}:QueueService.get_x_elems"],
        {
            SERVICES: [
                "test_20000_columns_take_no_time",
                "test_no_column_is_lost_at_the_end",
            ]
        },
    ),
    "get_x_seg": (
        [f"{CREPE}:QueueService.get_x_seg"],
        {SERVICES: ["test_no_column_is_lost_at_the_end"]},
    ),
    "get_n_col": (
        [f"{CREPE}:QueueService.get_n_col"],
        {
            SERVICES: [
                "test_no_column_is_lost_at_the_end",
                "test_segments_of_another_height_are_refused",
            ]
        },
    ),
    "StartQueueService": (
        [f"{CREPE}:StartQueueService", f"{CREPE}:StartQueueService.get_name"],
        {
            EXPERIMENT: [
                "test_services_of_main_are_started_by_hand",
                "test_a_service_started_by_hand_that_fails_ends_those_after_it",
            ]
        },
    ),
    "PoisonPill": (
        [f"{CREPE}:PoisonPill", f"{CREPE}:is_poison_pill"],
        {SERVICES: ["test_a_pill_is_known_by_type_and_by_value"]},
    ),
    "get_queue": (
        [f"{CREPE}:get_queue"],
        {EXPERIMENT: ["test_queues_by_name"]},
    ),
    "HDF5Reader": (
        [
            f"{CREPE}:HDF5Reader.{name}"
            for name in (
                "generate_H5_stream",
                "_generate_random_test_segment",
                "_generate_random_test_segment_list",
            )
        ],
        {
            SERVICES: [
                "test_the_reader_loses_no_tail",
                "test_the_reader_knows_rate_and_unit_and_takes_a_part",
                "test_the_reader_makes_random_segments",
            ]
        },
    ),
    "MeameListener": (
        [
            f"{CREPE}:MeameListener.{name}"
            for name in ("send_config", "send_start", "recvchunk", "savechunk")
        ],
        {
            SERVICES: [
                # other segment lengths broke the decoding
                "test_the_listener_configures_decodes_and_records",
                "test_a_listener_without_a_server_reaches_the_parent",
                "test_the_listener_sends_what_it_is_asked_to",
            ]
        },
    ),
    "recording file": (
        ["circus_live.recorder:Recorder"],
        {
            SERVICES: ["test_recordings_have_numbers"],
            # the reader could not read it
            "test_recorder.py": ["test_a_replay_of_a_recording_is_the_recording"],
        },
    ),
    "MeameSpeaker": (
        [f"{CREPE}:MeameSpeaker.meame_encoder"],
        {
            SERVICES: [
                # group 0 whatever was passed; an unknown label ended it
                "test_the_speaker_stimulates_with_the_period_of_each_label",
                "test_a_speaker_without_limits_is_refused",
                "test_the_speaker_tells_of_a_server_that_does_not_answer",
            ]
        },
    ),
    "template_complete": (
        [f"{TEMPLATES}:template_complete"],
        {
            "crepe/test_templates.py": [
                # the configuration of the acquisition was built and thrown away
                "test_the_complete_template_sets_up_stimulates_and_streams",
                "test_what_stimulates_without_limits_is_refused",
            ]
        },
    ),
    "other speaker functions": (
        [
            *(
                f"{TEMPLATES}:{name}"
                for name in (
                    "template_setup",
                    "template_stim",
                    "do_remote_example",
                    "reset_device",
                    "set_stim",
                    "define_elec_grp",
                    "apply_wave_shape",
                    "commit_and_start_stim",
                    "dsp_get_status",
                )
            ),
            *(
                f"{MESSAGES}:{name}"
                for name in (
                    "daq_config",
                    "dsp_func_call",
                    "stim_req",
                    "reg_read_req",
                    "reg_write_req",
                    "debug_msg",
                    "dsp_dump",
                    "dsp_reset",
                    "dsp_conf_elec_grp",
                    "dsp_set_elec_grp_manual",
                    "dsp_set_elec_grp_auto",
                    "dsp_commit_conf",
                    "dsp_start_stim_queue",
                    "dsp_stop_stim_queue",
                    "dsp_set_elec_grp_period",
                    "dsp_enable_stim_grp",
                    "dsp_disable_stim_grp",
                    "dsp_commit_conf_dbg",
                    "dsp_write_sq_dbg",
                    "dsp_set_blanking",
                    "dsp_set_blanking_prot",
                )
            ),
        ],
        {
            "crepe/test_templates.py": [
                "test_the_group_that_is_named_gets_its_period",
                "test_stimulation_is_committed_and_started",
                "test_a_reset_is_auto_stop_reset",
                "test_the_square_shape_leaves_no_charge",
                "test_a_request_of_the_first_meame_is_refused",
            ],
            "crepe/test_crepe_messages.py": [
                "test_each_wrapper_names_its_function_its_addresses_and_its_group",
                "test_no_raw_message_starts_or_changes_a_stimulation",
            ],
            # a digit too many in a word, and the addresses of blanking protection
            "speaker/test_messages.py": ["test_the_template_is_the_golden_list"],
            "speaker/test_words.py": ["test_the_slip_of_pen_in_that_pulse_shows"],
        },
    ),
    "auto_transmit": (
        [f"{MESSAGES}:auto_transmit", f"{MESSAGES}:route_of"],
        {
            "crepe/test_crepe_messages.py": [
                "test_messages_go_where_they_belong",
                "test_a_server_that_is_gone_is_told",  # errors were ignored
            ]
        },
    ),
    "meame_transmit": (
        [f"{MESSAGES}:meame_transmit"],
        {
            "crepe/test_crepe_messages.py": ["test_what_is_written_is_read_back"],
            "crepe/test_templates.py": ["test_a_replay_may_stop"],
        },
    ),
    "registers": (
        ["circus_live.speaker:Register"],
        {
            "speaker/test_messages.py": ["test_addresses_are_those_of_the_tables"],
            SPEAKER: [
                "test_every_message_of_crepe_is_acknowledged_and_found_in_the_registers"
            ],
        },
    ),
    "HWAPIWrapper": (
        [f"{CREPE}:HWAPIWrapper", f"{CREPE}:EndpointAction"],
        {
            HW_API: [
                "test_ready_is_true_until_the_result_is_fetched",
                "test_a_result_may_be_anything",
                "test_what_is_posted_goes_to_the_next_service_and_is_echoed",
                "test_a_full_queue_is_told_to_the_client",
                "test_results_are_taken_without_a_client",
                "test_the_end_closes_the_port_and_is_handed_on",
                "test_what_is_no_request_is_refused",
            ]
        },
    ),
    "GrowingArray": (
        [f"{CREPE}:GrowingArray.{n}" for n in ("add", "grow", "data", "capacity")],
        {HW_API: ["test_an_array_grows_and_keeps_the_newest"]},
    ),
    "Visualiser": (
        [f"{CREPE}:Visualiser"],
        {
            "crepe/test_visualiser.py": [
                "test_it_shows_the_traces_and_hands_on_what_it_gets",
                "test_it_is_a_member_of_a_chain",
                "test_in_an_experiment_it_is_the_view_in_a_browser",
            ]
        },
    ),
    "stimulation periods": (
        [f"{CREPE}:MeameSpeaker.check"],
        {SERVICES: ["test_the_speaker_stimulates_with_the_period_of_each_label"]},
    ),
    "demonstration": (
        [],
        {
            "crepe/test_demonstration.py": [
                "test_the_gesture_is_that_of_the_rhythm",
                "test_a_rhythm_comes_out_by_http_and_the_answer_stimulates",
            ],
            SERVICES: ["test_the_experiment_runs_from_end_to_end_offline"],
        },
    ),
}
EXPORTS = [
    "CREPE",
    "CrepeModus",
    "QueueService",
    "PoisonPill",
    "is_poison_pill",
    "StartQueueService",
    "HDF5Reader",
    "HWAPIWrapper",
    "EndpointAction",
    "MeameListener",
    "get_queue",
    "GrowingArray",
    "Visualiser",
    "DEFAULT_STREAM_DIMENSION",
]
# that no public name may be without a row: what is only of ours, or a part of a row
OURS = {"DEFAULT_STREAM_DIMENSION", "ROUTES"}


@pytest.mark.parametrize("row", ROWS)
def test_each_name_of_a_row_is_there(row):
    for name in ROWS[row][0]:
        module, _, path = name.partition(":")
        found = importlib.import_module(module)
        for part in path.split("."):
            assert hasattr(found, part), name
            found = getattr(found, part)


@pytest.mark.parametrize("row", ROWS)
def test_each_row_has_tests(row):
    tests = ROWS[row][1]
    assert tests
    for file, names in tests.items():
        tree = ast.parse((TESTS / file).read_text("utf-8"))
        there = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert names, file
        assert not set(names) - there, file


def test_no_name_is_without_a_row():
    named = {
        name.partition(":")[2].split(".")[0] for n, _ in ROWS.values() for name in n
    }
    exported = {
        name
        for module in (CREPE, MESSAGES, TEMPLATES)
        for name in importlib.import_module(module).__all__
    }
    assert exported - named - OURS == set()
    assert set(EXPORTS) <= exported
    assert importlib.import_module(CREPE).DEFAULT_STREAM_DIMENSION == 60
