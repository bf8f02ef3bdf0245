import numpy as np
import pytest
from scipy.spatial.distance import cdist

from circus_io.errors import ProbeError
from circus_io.prb_literals import read_assignments
from circus_io.probe import Probe, read_probe

TWO_SHANKS = """
# comments, and all that people write
total_nb_channels = 8
radius            = 100
channel_groups    = {
    1: {'channels': list(range(4)), 'graph': [],
        'geometry': {i: [0, 20 * i] for i in range(4)}},
    2: {'channels': [7, 5], 'graph': [], 'geometry': {5: (1.5, 2), 7: [3, 4]}},
}
"""

PYTHON_2 = """
total_nb_channels = 6
radius            = 100
channel_groups    = {}

def get_channels(i):
    if i == 1:
        return list(range(3))
    else:
        return list(range(3, 6))

for i in xrange(1, 3):
    channel_groups[i]             = {}
    channel_groups[i]["channels"] = get_channels(i)
    places = [[0, 0], [20, 10], [0, 20]]
    channel_groups[i]["geometry"] = dict(zip(get_channels(i), places))
    channel_groups[i]["graph"]    = []
"""

BUILT_BY_A_FUNCTION = '''
"""A probe of two shanks."""
total_nb_channels = 11
radius = 200
channel_groups = {1: dict(), 2: dict()}
shank_a = range(4)
shank_b = list(reversed(range(4, 8)))
channel_groups[1]["channels"] = shank_a
channel_groups[2]["channels"] = shank_b

def get_locations(xloc = 0, ystep = 25):
    """Two columns, downwards."""
    places = list()
    for yloc in range(0, -2*ystep, -ystep):
        places.append((xloc, yloc))
        places.append((xloc - 22.5, yloc - ystep/2.0))
    for place in places:
        pass
    return places

def get_graph(shank):
    graph = list()
    i = 0;
    while i<len(shank)-1:
        graph.append( (shank[i],shank[i+1]) )
        i +=1
    return graph

channel_groups[1]["geometry"] = dict( zip(shank_a, get_locations(xloc=0)))
channel_groups[2]["geometry"] = dict( zip(shank_b, get_locations(xloc=250)))
channel_groups[1]["graph"] = get_graph(shank_a)
'''


@pytest.fixture
def write(tmp_path):
    def write(text, name="probe.prb"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def problems_of(path):
    with pytest.raises(ProbeError) as error:
        read_probe(path)
    return str(error.value)


def test_a_probe_keeps_the_order_of_its_file(write):
    probe = read_probe(write(TWO_SHANKS))
    assert probe.channels.tolist() == [0, 1, 2, 3, 7, 5]
    assert probe.groups.tolist() == [1, 1, 1, 1, 2, 2]
    expected = [[0, 0], [0, 20], [0, 40], [0, 60], [3, 4], [1.5, 2]]
    assert probe.contact_positions.tolist() == expected
    assert (probe.total_nb_channels, probe.radius_um) == (8, 100)


def test_python_2_ranges_and_functions_are_understood(write):
    probe = read_probe(write(PYTHON_2))
    assert probe.channels.tolist() == [0, 1, 2, 3, 4, 5]
    assert probe.groups.tolist() == [1, 1, 1, 2, 2, 2]
    assert probe.contact_positions[4].tolist() == [20, 10]


def test_geometry_may_be_computed(write):
    probe = read_probe(write(BUILT_BY_A_FUNCTION))
    assert probe.channels.tolist() == [0, 1, 2, 3, 7, 6, 5, 4]
    left = [[0, 0], [-22.5, -12.5], [0, -25], [-22.5, -37.5]]
    np.testing.assert_array_equal(probe.contact_positions[:4], left)
    np.testing.assert_array_equal(probe.contact_positions[4:], np.add(left, [250, 0]))


@pytest.mark.parametrize(
    ("source", "refused"),
    [
        ("__import__('os').system('touch pwned')", "__import__"),
        ("import numpy as np", "numpy"),
        ("from os import system", "system"),
        ("x = (1).__class__", "__class__"),
        ("x = open('/etc/passwd')", "open"),
        ("x = eval('1')", "eval"),
        ("x = [].append.__self__", "__self__"),
        ("x = lambda: 1", "lambda"),
        ("x = f'{1}'", "joinedstr"),
        ("with open('x') as f:\n    pass", "with"),
        ("class A:\n    pass", "classdef"),
        ("x = not_defined", "not_defined"),
        ("print 'python 2'", "not Python"),
    ],
)
def test_what_could_run_is_refused_by_name(write, source, refused, tmp_path):
    message = problems_of(write(f"total_nb_channels = 4\n{source}\n"))
    assert refused in message
    assert "line 2" in message
    assert "probe.prb" in message
    assert [path.name for path in tmp_path.iterdir()] == ["probe.prb"]


@pytest.mark.parametrize(
    "source",
    [
        "while True: pass",
        "x = [0] * 10**9",
        "x = list(range(10**12))",
        "x = 10**10**10",
        "x = [1]\nfor i in range(64):\n    x += x",
        "x = ()\nfor i in range(64):\n    x = (x, x)\ny = {x: 1}",
        "x = []\nwhile 1:\n    x.append(x)",
        "x = list(range(1000))\ny = [i in x for i in range(10000)]",
        "def f(n):\n    return f(n)\nf(1)",
        "x = " + "(" * 5000 + ")" * 5000,
        "x = " + "-" * 100000 + "1",
    ],
)
@pytest.mark.timeout(20)
def test_work_is_bounded(source):
    with pytest.raises(ProbeError):
        read_assignments(source, "probe.prb")


def test_the_largest_array_known_is_within_bounds(write):
    side = 65
    places = {i: [16.0 * (i // side), 16.0 * (i % side)] for i in range(side**2)}
    probe = read_probe(
        write(
            f"total_nb_channels = {side**2}\nradius = 250\n"
            "channel_groups = {1: {}}\n"
            f"channel_groups[1]['channels'] = list(range({side**2}))\n"
            f"channel_groups[1]['geometry'] = {places}\n"
        )
    )
    np.testing.assert_array_equal(probe.contact_positions, list(places.values()))


def test_empty_geometry_names_its_channels(write):
    message = problems_of(
        write(
            "total_nb_channels = 3\nradius = 100\n"
            "channel_groups = {1: {'channels': [0, 1, 2], 'geometry': {}}}"
        )
    )
    assert "channels 0, 1, 2 have no geometry" in message


def test_channels_without_geometry_are_named(write):
    message = problems_of(
        write(
            "total_nb_channels = 256\nradius = 100\nchannel_groups = {1: {'channels': "
            "list(range(256)), 'geometry': {i: [0, i] for i in range(252)}}}"
        )
    )
    assert "channels 252, 253, 254, 255 have no geometry" in message


def test_all_problems_come_at_once(write):
    message = problems_of(
        write(
            "total_nb_channels = 8\nradius = -1\n"
            "channel_groups = {1: {'channels': [0, 1, 1, 9, -2], 'geometry': "
            "{0: [0, 0], 1: [0, 'a'], 9: [0], -2: [1, 2, 3]}}, "
            "2: {'channels': []}, 3: 4}"
        )
    )
    for part in (
        "radius = -1",
        "channels 1 are listed more than once",
        "channels -2 are negative",
        "channels 9 do not exist with total_nb_channels = 8",
        "channels 1, 1 have no geometry",
        "group 2 has no channels",
        "group 3 must be a dictionary",
        "coordinates",
    ):
        assert part in message


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ("{0: 5, 1: [6]}", [[5, 0], [6, 0]]),
        ("{0: (5, 1), 1: [6, 2]}", [[5, 1], [6, 2]]),
        ("{0: (5, 1, 7), 1: [6, 2, 8]}", [[5, 1, 7], [6, 2, 8]]),
    ],
)
def test_places_have_one_to_three_coordinates(write, places, expected):
    text = f"channel_groups = {{'a': {{'channels': [0, 1], 'geometry': {places}}}}}"
    probe = read_probe(write(text))
    assert probe.contact_positions.tolist() == expected
    assert probe.groups.tolist() == ["a", "a"]
    assert probe.radius_um is None
    assert probe.total_nb_channels is None


def test_a_file_that_is_not_there(tmp_path):
    assert "no probe file" in problems_of(tmp_path / "none.prb")


def random_probe(seed=0, n=40):
    rng = np.random.default_rng(seed)
    return Probe(
        channels=rng.permutation(n),
        groups=rng.integers(0, 3, n),
        contact_positions=rng.uniform(0, 200, (n, 3)),
        total_nb_channels=n,
        radius_um=75.5,
    )


@pytest.mark.parametrize("radius_um", [0, 30, 80, 1000])
def test_neighbours_are_near_and_on_the_same_shank(radius_um):
    probe = random_probe()
    distances = cdist(probe.contact_positions, probe.contact_positions)
    same = probe.groups[:, None] == probe.groups[None]
    near = probe.neighbours(radius_um)
    np.testing.assert_array_equal(near, (distances <= radius_um) & same)
    assert near.diagonal().all()


def test_neighbours_at_exactly_the_radius_count():
    probe = Probe([0, 1, 2], [1, 1, 1], [[0, 0], [0, 25], [0, 50.1]])
    assert probe.neighbours(25).tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 1]]


def test_dead_channels_leave_the_others_in_order(write):
    probe = read_probe(write(TWO_SHANKS)).without({1: [2], "2": (7,)})
    assert probe.channels.tolist() == [0, 1, 3, 5]
    assert probe.groups.tolist() == [1, 1, 1, 2]
    assert probe.contact_positions.tolist() == [[0, 0], [0, 20], [0, 60], [1.5, 2]]


def test_dead_channels_must_exist(write):
    probe = read_probe(write(TWO_SHANKS))
    with pytest.raises(
        ProbeError, match=r"(?s)no group 3.*channels 5 are not in group 1"
    ):
        probe.without({3: [0], 1: [5]})
    with pytest.raises(ProbeError, match="no channel is left"):
        probe.without({1: [0, 1, 2, 3], 2: [5, 7]})


def test_check_against_a_recording(write):
    probe = read_probe(write(TWO_SHANKS))
    probe.check(8)
    with pytest.raises(ProbeError, match=r"total_nb_channels = 8, but .* has 9"):
        probe.check(9)
    with pytest.raises(ProbeError, match="channels 7 are not in the recording"):
        probe.check(7)


def test_prb_round_trip(tmp_path):
    probe = random_probe()
    again = read_probe(probe.write_prb(tmp_path / "again.prb"))
    # a file lists its contacts group by group
    order = np.concatenate(
        [np.flatnonzero(probe.groups == g) for g in probe.group_labels]
    )
    np.testing.assert_array_equal(again.channels, probe.channels[order])
    np.testing.assert_array_equal(again.groups, probe.groups[order])
    np.testing.assert_array_equal(
        again.contact_positions, probe.contact_positions[order]
    )
    assert (again.radius_um, again.total_nb_channels) == (75.5, 40)


def test_written_prb_is_python_that_classic_readers_run(tmp_path):
    path = random_probe().write_prb(tmp_path / "probe.prb")
    names = {}
    exec(path.read_text(encoding="utf-8"), names)
    assert names["total_nb_channels"] == 40
    assert names["radius"] == 75.5
    listed = [
        c for group in names["channel_groups"].values() for c in group["channels"]
    ]
    assert sorted(listed) == list(range(40))


def test_channel_table_ties_column_and_place(write):
    table = read_probe(write(TWO_SHANKS)).channel_table()
    assert table["electrode"].tolist() == [0, 1, 2, 3, 4, 5]
    assert table["channel"].tolist() == [0, 1, 2, 3, 7, 5]
    assert table["x_um"].tolist() == [0, 0, 0, 0, 3, 1.5]
    assert table["z_um"].tolist() == [0] * 6


def test_probes_are_immutable():
    probe = random_probe()
    with pytest.raises(ValueError, match="read-only"):
        probe.channels[0] = 3


# probeinterface ---------------------------------------------------------------


def test_probeinterface_file_with_two_shanks(tmp_path):
    probeinterface = pytest.importorskip("probeinterface")
    shank = probeinterface.Probe(ndim=2, si_units="mm")
    shank.set_contacts(
        [[0, 0], [0, 0.02], [0.2, 0], [0.2, 0.02]], shank_ids=list("aabb")
    )
    shank.set_device_channel_indices([3, 2, -1, 0])
    group = probeinterface.ProbeGroup()
    group.add_probe(shank)
    probeinterface.write_probeinterface(tmp_path / "probe.json", group)
    probe = read_probe(tmp_path / "probe.json")
    assert probe.channels.tolist() == [3, 2, 0]
    assert probe.groups.tolist() == [1, 1, 2]
    np.testing.assert_allclose(probe.contact_positions, [[0, 0], [0, 20], [200, 20]])


def test_probeinterface_without_wiring_is_refused(tmp_path):
    probeinterface = pytest.importorskip("probeinterface")
    shank = probeinterface.Probe(ndim=2)
    shank.set_contacts([[0, 0], [0, 20]])
    group = probeinterface.ProbeGroup()
    group.add_probe(shank)
    probeinterface.write_probeinterface(tmp_path / "probe.json", group)
    assert "device_channel_indices" in problems_of(tmp_path / "probe.json")


def test_foreign_json_is_refused(write):
    assert "not a probeinterface file" in problems_of(write('{"a": 1}', "probe.json"))
    assert "not a probeinterface file" in problems_of(write("nonsense", "broken.json"))


def test_to_probeinterface_keeps_wiring_and_places(write):
    pytest.importorskip("probeinterface")
    probe = read_probe(write(TWO_SHANKS))
    group = probe.to_probeinterface()
    assert [shank.get_contact_count() for shank in group.probes] == [4, 2]
    np.testing.assert_array_equal(group.probes[1].device_channel_indices, [7, 5])
    np.testing.assert_array_equal(group.probes[1].contact_positions, [[3, 4], [1.5, 2]])


# what is odd -----------------------------------------------------------------------


def test_a_probe_without_radius_says_what_is_taken(tmp_path, caplog):
    path = tmp_path / "a.prb"
    text = "channel_groups = {1: {'channels': [0], 'geometry': {0: [0, 0]}}}\n"
    path.write_text(text)
    read_probe(path)
    assert caplog.messages == [
        f"{path}: no radius is given; where [detection] radius = auto, 100 µm are taken"
    ]
    caplog.clear()
    path.write_text("radius = 80\n" + text)
    read_probe(path)
    assert caplog.messages == []


def test_contacts_at_one_place_are_named(tmp_path, caplog):
    geometry = "{0: [0, 0], 1: [0, 20], 2: [0, 0], 3: [0, 40]}"
    group = "{'channels': [%s], 'geometry': %s}"
    one = group % ("0, 1, 2, 3", geometry)
    other = group % ("4", "{4: [0, 20]}")  # the same place on another shank
    path = tmp_path / "a.prb"
    path.write_text(f"radius = 80\nchannel_groups = {{1: {one}, 2: {other}}}\n")
    assert read_probe(path).n_channels == 5
    (message,) = caplog.messages
    assert "channels 0, 2 of group 1 share their place" in message
