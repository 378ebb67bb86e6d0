"""Where weights come from: files of all sorts, a cache, servers that answer or do not."""

import functools
import hashlib
import http.server
import importlib
import inspect
import os
import re
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from PIL import Image

from kevo.errors import UnknownBackboneError, WeightsError
from kevo.tasks.images import backbone_networks, pretrained_weights
from kevo.tasks.images.backbones import BACKBONES
from kevo.tasks.images.datasets import ImageDataset
from kevo.tasks.images.pretrained_weights import Weights
from kevo.tasks.images.trainer import Trainer
from kevo.training.effort import CandidateError, Effort
from tests.support.samples import pretrained_genome

DATA = Path(__file__).parents[5] / "shared" / "data"
REAL_WEIGHTS = DATA / "weights" / "mobilenet_v2_0.35_224_imagenet_notop.weights.h5"
REAL_PICTURES = DATA / "cats_vs_dogs" / "test"

Server = tuple[str, list[str]]


def needs(path: Path) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not path.exists(), reason=f"{path} is missing")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of Keras's."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """A machine without internet: every connection reaches a proxy that hangs up. Lists the attempts."""
    attempts: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as proxy:

        def hang_up() -> None:
            while True:
                try:
                    connection, address = proxy.accept()
                except OSError:
                    return
                attempts.append(address)
                connection.close()

        threading.Thread(target=hang_up, daemon=True).start()
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        for name in ("https_proxy", "HTTPS_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.getsockname()[1]}")
        monkeypatch.setattr(urllib.request, "_opener", None)  # It remembers the proxy of its first use.
        yield attempts
        proxy.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def server() -> Iterator[Server]:
    """Serves `/whole` and, announcing more than it sends, `/broken`. Lists the requests."""
    requests: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self, *, body: bytes) -> None:
            requests.append(f"{self.command} {self.path}")
            if self.path.partition("?")[0] not in ("/whole", "/broken"):
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT) + (self.path == "/broken")))
            self.end_headers()
            self.wfile.write(body)

        def do_HEAD(self) -> None:
            self.answer(body=b"")

        def do_GET(self) -> None:
            self.answer(body=CONTENT)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}", requests
        running.shutdown()


CONTENT = b"0123456789" * 100
CONTENT_MD5 = hashlib.md5(CONTENT).hexdigest()


@functools.cache
def network(name: str, alpha: float | None) -> keras.Model:
    return backbone_networks.network(BACKBONES[name], alpha=alpha)


def save(path: Path, *, name: str = "mobilenet_v3_small", alpha: float | None = 0.75) -> Path:
    """Saves a network's random weights in the layout that the file's name asks for."""
    built = network(name, alpha)
    if path.name.endswith(".weights.h5"):
        built.save_weights(path)
        return path
    whole = path.with_name("whole.h5")
    built.save(whole)
    with h5py.File(whole) as source, h5py.File(path, "w") as target:
        group = source["model_weights"]
        target.attrs.update(group.attrs)
        for layer in group:
            source.copy(group[layer], target)
    whole.unlink()
    return path


def resolve_one(name: str, request: object) -> Weights:
    resolved = pretrained_weights.resolve({name: str(request)})
    assert resolved.unavailable == {}
    (only,) = resolved.available[name]
    return only


@needs(REAL_WEIGHTS)
def test_the_real_file_fits_alpha_035() -> None:
    found = resolve_one("mobilenet_v2", REAL_WEIGHTS)
    assert found == Weights("mobilenet_v2", "file", REAL_WEIGHTS, 0.35)


@needs(REAL_WEIGHTS)
@needs(REAL_PICTURES)
def test_real_weights_give_the_features_that_keras_gives() -> None:
    model = backbone_networks.build(
        BACKBONES["mobilenet_v2"], image_size=128, weights=resolve_one("mobilenet_v2", REAL_WEIGHTS)
    )
    theirs = keras.applications.MobileNetV2(
        alpha=0.35, include_top=False, input_shape=(128, 128, 3), weights=str(REAL_WEIGHTS)
    )
    for ours, expected in zip(model.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, expected)
    photographs = sorted(REAL_PICTURES.rglob("*.jpg"))[::250]
    pixels = np.stack(
        [np.asarray(Image.open(path).convert("RGB").resize((128, 128)), "float32") for path in photographs]
    )
    expected = np.asarray(theirs(keras.applications.mobilenet_v2.preprocess_input(pixels.copy()), training=False))
    np.testing.assert_allclose(np.asarray(model(pixels, training=False)), expected, rtol=1e-4, atol=1e-4)
    assert expected.std() > 0.1


@pytest.mark.parametrize(
    ("name", "alpha", "ending"),
    [
        ("mobilenet", 0.25, ".h5"),
        ("mobilenet_v3_small", 0.75, ".weights.h5"),
        ("mobilenet_v3_small", 1.0, ".h5"),
        ("efficientnet_b0", None, ".weights.h5"),
    ],
)
def test_a_file_decides_which_width_it_fits(name: str, alpha: float | None, ending: str, tmp_path: Path) -> None:
    path = save(tmp_path / f"mine{ending}", name=name, alpha=alpha)
    found = resolve_one(name, path)
    assert found == Weights(name, "file", path, alpha)
    loaded = backbone_networks.network(BACKBONES[name], alpha=alpha)
    found.load_into(loaded, backbone=name, alpha=alpha)
    for ours, expected in zip(loaded.get_weights(), network(name, alpha).get_weights(), strict=True):
        np.testing.assert_array_equal(ours, expected)


def test_a_whole_model_in_the_old_format_serves_too(tmp_path: Path) -> None:
    network("mobilenet", 0.25).save(tmp_path / "model.hdf5")
    assert resolve_one("mobilenet", tmp_path / "model.hdf5").alpha == 0.25


def test_a_file_that_fits_no_width_is_told_the_shapes_expected(tmp_path: Path) -> None:
    path = save(tmp_path / "small.weights.h5", alpha=0.75)
    with pytest.raises(WeightsError) as caught:
        pretrained_weights.resolve({"mobilenet": str(path)})
    message = str(caught.value)
    assert f"{path} does not fit mobilenet: it holds" in message
    assert "583,160 numbers, the kernel on the pixels (3, 3, 3, 16)" in message
    assert "mobilenet (alpha 0.25) with 135 arrays of 218,544 numbers, the kernel on the pixels (3, 3, 3, 8)" in message
    assert "mobilenet (alpha 1) with" in message
    assert "the largest kernel (1, 1, 1024, 1024)" in message


def test_a_file_with_the_classifier_is_refused(tmp_path: Path) -> None:
    keras.applications.MobileNet(alpha=0.25, weights=None, classes=10).save_weights(tmp_path / "top.weights.h5")
    with pytest.raises(WeightsError, match="Expected, without the ImageNet classifier: mobilenet"):
        pretrained_weights.resolve({"mobilenet": str(tmp_path / "top.weights.h5")})


def change(path: Path, dataset: str, make: Callable[[h5py.Group, str, h5py.Dataset], object]) -> None:
    """Replaces one array of a file."""
    with h5py.File(path, "r+") as file:
        group, name = file[dataset].parent, dataset.rpartition("/")[2]
        old = file[dataset]
        values = old[()]
        del group[name]
        make(group, name, values)


def hidden(path: Path, values: np.ndarray) -> Path:
    """A file beside the weights that a trap points at."""
    secret = path.with_name("secret.h5")
    with h5py.File(secret, "w") as file:
        file["data"] = values
    return secret


def external_link(group: h5py.Group, name: str, values: np.ndarray) -> None:
    group[name] = h5py.ExternalLink(str(hidden(Path(group.file.filename), values)), "data")


def soft_link(group: h5py.Group, name: str, values: np.ndarray) -> None:
    group.file["elsewhere"] = values
    group[name] = h5py.SoftLink("/elsewhere")


def external_storage(group: h5py.Group, name: str, values: np.ndarray) -> None:
    raw = Path(group.file.filename).with_name("secret.bin")
    values.tofile(raw)
    group.create_dataset(name, values.shape, values.dtype, external=[(str(raw), 0, values.nbytes)])


def virtual_dataset(group: h5py.Group, name: str, values: np.ndarray) -> None:
    layout = h5py.VirtualLayout(values.shape, values.dtype)
    layout[...] = h5py.VirtualSource(hidden(Path(group.file.filename), values), "data", values.shape)
    group.create_virtual_dataset(name, layout)


def circle(group: h5py.Group, name: str, values: np.ndarray) -> None:
    group[name] = group.file["layers"]


def text(group: h5py.Group, name: str, values: np.ndarray) -> None:
    group[name] = "no numbers"


def nothing(group: h5py.Group, name: str, values: np.ndarray) -> None:
    group[name] = h5py.Empty("f")


def bomb(group: h5py.Group, name: str, values: np.ndarray) -> None:
    group.create_dataset(name, (1 << 40,), "float32", chunks=(1 << 20,), compression="gzip")


def transposed(group: h5py.Group, name: str, values: np.ndarray) -> None:
    group[name] = values.T


def misnamed(group: h5py.Group, name: str, values: np.ndarray) -> None:
    group["unheard"] = values


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (external_link, "is a link to elsewhere"),
        (soft_link, "is a link to elsewhere"),
        (external_storage, "keeps its numbers elsewhere"),
        (virtual_dataset, "keeps its numbers elsewhere"),
        (circle, "is there twice"),
        (text, "is no array of numbers"),
        (nothing, "is no array of numbers"),
        (bomb, "does not fit mobilenet_v3_small"),
        (transposed, "does not fit mobilenet_v3_small"),
        (misnamed, "cannot be loaded"),
    ],
)
def test_a_file_made_to_harm_is_refused(
    harm: Callable[[h5py.Group, str, h5py.Dataset], object], message: str, tmp_path: Path
) -> None:
    path = save(tmp_path / "trap.weights.h5")
    change(path, "layers/conv2d/vars/0", harm)
    with pytest.raises(WeightsError, match=f"trap.weights.h5.*{message}"):
        pretrained_weights.resolve({"mobilenet_v3_small": str(path)})


def test_files_that_are_no_weights_are_refused(tmp_path: Path) -> None:
    whole = save(tmp_path / "whole.weights.h5")
    (tmp_path / "cut.weights.h5").write_bytes(whole.read_bytes()[:100_000])
    (tmp_path / "text.h5").write_text("not HDF5")
    (tmp_path / "empty.h5").touch()
    for name in ("cut.weights.h5", "text.h5", "empty.h5"):
        with pytest.raises(WeightsError, match=f"{name} is no weights file that can be read .*Expected HDF5"):
            pretrained_weights.resolve({"vgg16": str(tmp_path / name)})
    for path in (tmp_path / "missing.h5", tmp_path):
        with pytest.raises(WeightsError, match=f"There is no weights file {path}"):
            pretrained_weights.resolve({"vgg16": str(path)})


def test_a_file_named_after_the_other_layout_is_told_its_right_name(tmp_path: Path) -> None:
    save(tmp_path / "new.weights.h5").rename(tmp_path / "new.h5")
    save(tmp_path / "old.h5").rename(tmp_path / "old.weights.h5")
    with pytest.raises(WeightsError, match=r"Rename it to new.weights.h5\."):
        pretrained_weights.resolve({"mobilenet_v3_small": str(tmp_path / "new.h5")})
    with pytest.raises(WeightsError, match=r"Rename it to old.h5\."):
        pretrained_weights.resolve({"mobilenet_v3_small": str(tmp_path / "old.weights.h5")})


def test_random_weights_come_in_every_width_and_only_when_asked_for(home: Path, connections: list[object]) -> None:
    resolved = pretrained_weights.resolve({"mobilenet_v3_large": "none", "vgg16": "none", "vgg19": "imagenet"})
    assert resolved.available == {
        "mobilenet_v3_large": tuple(Weights("mobilenet_v3_large", "none", alpha=alpha) for alpha in (0.75, 1.0)),
        "vgg16": (Weights("vgg16", "none"),),
    }
    assert list(resolved.unavailable) == ["vgg19"]


def test_a_path_means_the_same_from_every_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    requests = ("imagenet", "none", "a/b.h5", "~/b.h5", "/b.h5")
    home = str(Path.home() / "b.h5")
    assert [pretrained_weights.absolute(one) for one in requests] == [
        "imagenet",
        "none",
        f"{tmp_path}/a/b.h5",
        home,
        "/b.h5",
    ]


@pytest.mark.parametrize("request_", ["~nosuchuser/b.h5", "x" * 5000, "nu\0ll.h5"])
def test_a_path_that_cannot_be_is_refused(request_: str) -> None:
    with pytest.raises(WeightsError, match="There is no weights file"):
        pretrained_weights.resolve({"vgg16": request_})


def test_a_download_that_takes_a_candidates_time_is_ended(
    server: Server, home: Path, monkeypatch: pytest.MonkeyPatch, dataset: ImageDataset
) -> None:
    monkeypatch.setattr(pretrained_weights, "_SERVER", f"{server[0]}/whole?")
    found = Weights("vgg16", "imagenet", home / "models" / "vgg16.h5")
    trainer = Trainer(dataset, weights={("vgg16", None): found})
    with pytest.raises(CandidateError, match="too slow: the download of its weights takes more than its 0 seconds"):
        trainer.train(pretrained_genome("vgg16", "block3_pool"), Effort(1, seconds=0.0))
    assert list((home / "models").iterdir()) == []


def test_weights_are_told_apart_by_their_content(tmp_path: Path) -> None:
    published = Weights("vgg16", "imagenet", tmp_path / "absent.h5")
    assert published.checksum() == "md5:6d6bbae143d832006294945121d1f1fc"
    assert Weights("vgg16", "none").checksum() is None
    own = Weights("vgg16", "file", tmp_path / "own.h5")
    with pytest.raises(WeightsError, match=r"own\.h5 cannot be read: No such file.*Put it back"):
        own.checksum()
    checksums = []
    for content in (b"one", b"two!"):
        (tmp_path / "own.h5").write_bytes(content)
        checksums.append(own.checksum())
    assert checksums == [f"blake2b:{hashlib.blake2b(text, digest_size=32).hexdigest()}" for text in (b"one", b"two!")]


def test_an_unknown_backbone_is_refused() -> None:
    with pytest.raises(UnknownBackboneError, match="Unknown backbone 'vgg61'"):
        pretrained_weights.resolve({"vgg61": "none"})


def test_without_a_network_every_backbone_gets_a_line_after_one_attempt(home: Path, connections: list[object]) -> None:
    resolved = pretrained_weights.resolve(dict.fromkeys(BACKBONES, "imagenet"))
    assert resolved.available == {}
    assert list(resolved.unavailable) == list(BACKBONES)
    for line in resolved.unavailable.values():
        assert line.startswith("no ImageNet weights, since storage.googleapis.com cannot be reached (")
        assert "--weights NAME=FILE" in line
        assert "\n" not in line
    assert len(connections) == 1
    assert not home.exists(), "asking leaves nothing behind"


def test_what_lies_in_the_cache_needs_no_network(home: Path, connections: list[object]) -> None:
    cached = home / "models" / "mobilenet_2_5_224_tf_no_top.h5"
    cached.parent.mkdir(parents=True)
    save(cached, name="mobilenet", alpha=0.25)
    found = resolve_one("mobilenet", "imagenet")
    assert found == Weights("mobilenet", "imagenet", cached, 0.25)
    model = backbone_networks.build(BACKBONES["mobilenet"], image_size=32, weights=found)
    np.testing.assert_array_equal(model.get_weights()[0], network("mobilenet", 0.25).get_weights()[0])

    cached.write_bytes(cached.read_bytes()[:100_000])
    assert list(pretrained_weights.resolve({"mobilenet": "imagenet"}).unavailable) == ["mobilenet"]
    with pytest.raises(WeightsError, match="Cannot download https://storage.googleapis.com/tensorflow/keras-app"):
        found.fetch()


def test_a_cached_file_with_another_checksum_does_not_count(home: Path, connections: list[object]) -> None:
    cached = home / "models" / "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
    cached.parent.mkdir(parents=True)
    save(cached)
    assert list(pretrained_weights.resolve({"vgg16": "imagenet"}).unavailable) == ["vgg16"]


def test_a_cache_that_cannot_be_written_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "file"))
    line = pretrained_weights.resolve({"vgg16": "imagenet"}).unavailable["vgg16"]
    assert f"{tmp_path / 'file'} cannot be written (set KERAS_HOME" in line


def test_asking_a_server_downloads_nothing(server: Server) -> None:
    url, requests = server
    pretrained_weights.ask(f"{url}/whole")
    with pytest.raises(urllib.error.HTTPError, match="404"):
        pretrained_weights.ask(f"{url}/missing")
    assert requests == ["HEAD /whole", "HEAD /missing"]


def test_asking_nobody_ends() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(OSError, match="no answer|timed out"):
        pretrained_weights.ask(f"http://127.0.0.1:{silent.getsockname()[1]}/whole", seconds=0.2)


def test_asking_something_that_speaks_no_http_ends() -> None:
    with socket.create_server(("127.0.0.1", 0)) as babbler:

        def babble() -> None:
            connection, _ = babbler.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"220 mail ready\r\n")

        threading.Thread(target=babble, daemon=True).start()
        with pytest.raises(OSError, match="no HTTP"):
            pretrained_weights.ask(f"http://127.0.0.1:{babbler.getsockname()[1]}/whole")


@pytest.mark.parametrize("md5", [CONTENT_MD5, None])
def test_a_download_arrives_whole(md5: str | None, server: Server, tmp_path: Path) -> None:
    path = tmp_path / "models" / "weights.h5"
    pretrained_weights.download(f"{server[0]}/whole", path=path, md5=md5)
    assert path.read_bytes() == CONTENT
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("page", "md5", "message"),
    [
        ("whole", "0" * 32, f"has the checksum {CONTENT_MD5}. Expected {'0' * 32}"),
        ("broken", None, "broke off after 1000 of 1001 bytes"),
        ("missing", None, "Cannot download .*: Not Found. Connect to the internet"),
    ],
)
def test_a_download_that_fails_leaves_what_was_there(
    page: str, md5: str | None, message: str, server: Server, tmp_path: Path
) -> None:
    path = tmp_path / "weights.h5"
    path.write_text("old")
    with pytest.raises(WeightsError, match=message):
        pretrained_weights.download(f"{server[0]}/{page}", path=path, md5=md5)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "alpha"),
    [
        pytest.param(name, variant.alpha, id=f"{name}-{variant.alpha}")
        for name, row in BACKBONES.items()
        for variant in row.variants
    ],
)
def test_files_and_checksums_are_those_that_keras_downloads(
    name: str, alpha: float | None, connections: list[object]
) -> None:
    """Keras names what it wants when it cannot have it."""
    row = BACKBONES[name]
    variant = next(variant for variant in row.variants if variant.alpha == alpha)
    file = variant.file.rpartition("/")[2]
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    if (home / "models" / file).exists():
        pytest.skip(f"{file} is in Keras's cache already, so Keras does not download it")
    module, _, function = row.builder.partition(":")
    build = getattr(importlib.import_module(module), function)
    options = {} if alpha is None else {"alpha": alpha}
    with pytest.raises(
        Exception, match=re.escape(f"URL fetch failure on https://storage.googleapis.com/{variant.file}:")
    ):
        build(include_top=False, weights="imagenet", input_shape=(224, 224, 3), **options)
    assert len(connections) == 1
    # ResNet50V2 is built by the module of the first version.
    sources = [Path(inspect.getfile(part)).read_text() for part in (build, keras.applications.ResNet50)]
    assert variant.md5 is None or any(variant.md5 in source for source in sources)
