# SPDX-License-Identifier: MIT
"""Files: whole, in part, on condition, and never from outside the directory."""

import email
import email.utils
import os

import pytest

CONTENT = bytes(range(256)) * 64


@pytest.fixture
def files(service, directory):
    root = directory / "files"
    root.mkdir()
    (root / "data.bin").write_bytes(CONTENT)
    (root / "page.html").write_text("<p>hello</p>")
    (root / "empty.txt").write_text("")
    (directory / "secret.txt").write_text("secret")
    (root / "way-out").symlink_to(directory / "secret.txt")
    (root / "below").mkdir()
    (root / "below" / "deep.txt").write_text("deep")
    return service({"app.files": root})


def test_a_file_is_sent_whole_with_its_type_and_validators(files):
    answer = files.get("/files/page.html")
    assert (answer.status, answer.text) == (200, "<p>hello</p>")
    assert answer["Content-Type"].startswith("text/html")
    assert answer["ETag"] and answer["Last-Modified"]
    assert files.get("/files/data.bin").body == CONTENT
    assert files.get("/files/below/deep.txt").text == "deep"
    assert files.get("/files/empty.txt").body == b""


def test_what_is_not_there_is_404(files):
    assert files.get("/files/none").status == 404


@pytest.mark.parametrize(
    "path", ["../secret.txt", "%2e%2e/secret.txt", "..%2fsecret.txt", "way-out", "below/../../secret.txt", "/etc/passwd"]
)
def test_nothing_outside_the_directory_is_sent(files, path):
    answer = files.get(f"/files/{path}")
    assert answer.status in (400, 403, 404)
    assert b"secret" not in answer.body and b"root:" not in answer.body


def test_a_directory_is_no_file(files):
    assert files.get("/files/below").status in (403, 404)


@pytest.mark.parametrize(
    "range_, begin, end",
    [("bytes=0-9", 0, 10), ("bytes=100-", 100, len(CONTENT)), ("bytes=-10", len(CONTENT) - 10, len(CONTENT))],
)
def test_a_part_is_206_with_the_right_bytes(files, range_, begin, end):
    answer = files.get("/files/data.bin", [("Range", range_)])
    assert answer.status == 206
    assert answer.body == CONTENT[begin:end]
    assert answer["Content-Range"] == f"bytes {begin}-{end - 1}/{len(CONTENT)}"


def test_a_part_past_the_end_is_416_and_says_the_size(files):
    answer = files.get("/files/data.bin", [("Range", f"bytes={len(CONTENT)}-")])
    assert answer.status == 416
    assert answer["Content-Range"] == f"bytes */{len(CONTENT)}"


def test_a_range_that_is_none_is_ignored(files):
    for value in ("bytes=9-1", "lines=1-2", "bytes=x"):
        assert files.get("/files/data.bin", [("Range", value)]).status == 200


def read_parts(answer):
    """[(fields, bytes)] of a multipart answer, as Python's own library for messages reads it."""
    message = email.message_from_bytes(b"Content-Type: " + answer["Content-Type"].encode() + b"\r\n\r\n" + answer.body)
    assert message.get_content_type() == "multipart/byteranges" and not message.defects
    return [(dict(part.items()), part.get_payload(decode=True)) for part in message.get_payload()]


def test_several_parts_come_in_one_answer(files):
    size = len("<p>hello</p>")
    answer = files.get("/files/page.html", [("Range", "bytes=3-7,0-2,-4")])
    assert answer.status == 206
    assert answer["Content-Length"] == str(len(answer.body))
    parts = read_parts(answer)
    assert [text for _, text in parts] == [b"hello", b"<p>", b"</p>"]
    assert [fields["Content-Range"] for fields, _ in parts] == [
        f"bytes 3-7/{size}", f"bytes 0-2/{size}", f"bytes 8-11/{size}"]
    assert all(fields["Content-Type"].startswith("text/html") for fields, _ in parts)


def test_every_byte_of_large_parts_is_the_right_one(files):
    begin, middle = 1, len(CONTENT) // 2
    answer = files.get("/files/data.bin", [("Range", f"bytes={begin}-{middle - 2},{middle}-")])
    boundary = b"--" + answer["Content-Type"].split("boundary=")[1].encode()
    _, first, second, end = answer.body.split(boundary)
    assert first.split(b"\r\n\r\n", 1)[1] == CONTENT[begin:middle - 1] + b"\r\n"
    assert second.split(b"\r\n\r\n", 1)[1] == CONTENT[middle:] + b"\r\n"
    assert end == b"--\r\n"


@pytest.mark.parametrize(
    "range_",
    ["0-,0-", "0-9,5-14,8-20", ",".join(f"{2 * i}-{2 * i}" for i in range(33)), ",".join(["0-0"] * 1000)],
    ids=["more than there is", "too many overlaps", "too many", "far too many"],
)
def test_ranges_that_only_cost_are_ignored(files, range_):
    answer = files.get("/files/data.bin", [("Range", f"bytes={range_}")])
    assert (answer.status, answer.body) == (200, CONTENT)


def test_of_several_ranges_those_outside_are_left_out(files):
    outside = len(CONTENT)
    answer = files.get("/files/data.bin", [("Range", f"bytes=1-2,{outside}-")])
    assert (answer.status, answer.body, answer["Content-Range"]) == (206, CONTENT[1:3], f"bytes 1-2/{outside}")
    assert files.get("/files/data.bin", [("Range", f"bytes={outside}-,{outside + 1}-")]).status == 416


def test_what_the_client_has_is_304(files):
    first = files.get("/files/data.bin")
    assert files.get("/files/data.bin", [("If-None-Match", first["ETag"])]).status == 304
    assert files.get("/files/data.bin", [("If-Modified-Since", first["Last-Modified"])]).status == 304
    assert files.get("/files/data.bin", [("If-None-Match", '"other"')]).status == 200
    long_ago = email.utils.formatdate(0, usegmt=True)
    assert files.get("/files/data.bin", [("If-Modified-Since", long_ago)]).status == 200


def test_a_failed_condition_is_412(files):
    assert files.get("/files/data.bin", [("If-Match", '"other"')]).status == 412
    long_ago = email.utils.formatdate(0, usegmt=True)
    assert files.get("/files/data.bin", [("If-Unmodified-Since", long_ago)]).status == 412


def test_a_part_of_another_version_is_the_whole(files):
    answer = files.get("/files/data.bin", [("Range", "bytes=0-9"), ("If-Range", '"other"')])
    assert (answer.status, answer.body) == (200, CONTENT)
    etag = files.get("/files/data.bin")["ETag"]
    if not etag.startswith("W/"):
        assert files.get("/files/data.bin", [("Range", "bytes=0-9"), ("If-Range", etag)]).status == 206


def test_a_changed_file_has_another_tag(files, directory):
    first = files.get("/files/page.html")["ETag"]
    path = directory / "files" / "page.html"
    path.write_text("<p>changed</p>")
    os.utime(path, (1, 1))
    assert files.get("/files/page.html")["ETag"] != first


def test_head_of_a_file_has_its_size(files):
    with files.client() as client:
        client.request("HEAD", "/files/data.bin")
        answer = client.response(head=True)
        assert answer["Content-Length"] == str(len(CONTENT))
        assert client.get("/").text == "hello world"


def test_a_kept_connection_survives_all_kinds_of_file_answers(files):
    with files.client() as client:
        tag = client.get("/files/data.bin")["ETag"]
        assert client.get("/files/data.bin", [("If-None-Match", tag)]).status == 304
        assert client.get("/files/data.bin", [("Range", "bytes=5-5")]).body == CONTENT[5:6]
        assert client.get("/files/data.bin", [("Range", "bytes=99999999-")]).status == 416
        assert client.get("/files/data.bin", [("Range", "bytes=5-5,7-7")]).status == 206
        assert client.get("/files/none").status == 404
        assert client.get("/").text == "hello world"
