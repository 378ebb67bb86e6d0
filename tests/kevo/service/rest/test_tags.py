"""Entity tags: what has not changed is not sent again, and an old answer changes nothing."""

from pathlib import Path

from kevo.service.rest import tags
from tests.support.serving import put_search, serving


def test_what_is_known_is_not_sent_again_and_what_has_changed_is_not_overwritten(tmp_path: Path) -> None:
    with serving(tmp_path / "root") as (server, client):
        job = put_search(server, name="pets")
        address = f"/api/v1/searches/{job.id}"
        for path in (address, "/api/v1/searches"):
            tag = client.get(path).headers["etag"]
            for known in (tag, f'"x", W/{tag}', "*"):
                same = client.get(path, headers={"if-none-match": known})
                assert same.status_code == 304 and same.content == b"" and same.headers["etag"] == tag
            assert client.get(path, headers={"if-none-match": '"x"'}).status_code == 200
        tag = client.get(address).headers["etag"]
        assert client.patch(address, json={"name": "cats"}, headers={"if-match": tag}).status_code == 200
        late = client.patch(address, json={"name": "dogs"}, headers={"if-match": tag})
        assert late.status_code == 412 and "Read it again" in late.json()["detail"]
        assert client.delete(address, headers={"if-match": tag}).status_code == 412
        assert client.get(address, headers={"if-none-match": tag}).json()["name"] == "cats"
        assert client.patch(address, json={"name": "dogs"}, headers={"if-match": "*"}).json()["name"] == "dogs"


def test_time_that_passes_is_no_change() -> None:
    first = {"name": "a", "status": {"seconds": 1.0, "seconds_left": 9.0, "trainings": [{"epoch": 1}]}}
    later = {"name": "a", "status": {"seconds": 2.0, "seconds_left": 8.0, "trainings": [{"epoch": 1}]}}
    further = {"name": "a", "status": {"seconds": 2.0, "seconds_left": 8.0, "trainings": [{"epoch": 2}]}}
    assert tags.tag_of(first) == tags.tag_of(later) != tags.tag_of(further)
