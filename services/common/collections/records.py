"""The record of every collection, and the only ways in which it changes.

    convscope:collection:{id}            hash  display_name, created, size, duplicates, broken, digest
    convscope:collection:{id}:images     list  every image, JSON, in the order of their numbers
    convscope:collection:{id}:numbers    hash  sha256 of a file -> number of its image
    convscope:collection:{id}:broken     list  the first BROKEN files that were no pictures, JSON
    convscope:collection:{id}:indexes    hash  name of an index -> its record, JSON
    convscope:collection:{id}:jobs       set   jobs that were handed in to work on it
    convscope:collection:{id}:annotations      list  every annotation, JSON, in the order of their numbers
    convscope:collection:{id}:annotation-ids   hash  name of an annotation -> its number
    convscope:collection:{id}:masks            set   numbers of annotations with a mask
    convscope:collection:{id}:attention        hash  number of an annotation -> annotator: sha256 of the map, JSON
    convscope:collections                zset  every collection, by the time at which it was made
    convscope:collection-request:{length}:{caller}:{request_id}   string  the collection that this call made

Images and annotations are only ever added, so that a number stays an image's name.
"""

import json
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import redis

from convscope.services.common.collections.collection import (
    BrokenFile,
    Collection,
    IndexRecord,
    StoredAnnotation,
    StoredImage,
)
from convscope.services.common.newest import Place, newest

BROKEN = 100

_CREATE = """
local id, name, digest, request, caller = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local key = 'convscope:collection:' .. id
if redis.call('EXISTS', key) == 1 then return {'made', id} end
if request ~= '' then
  local first = redis.call('GET', request)
  local known = first and redis.call('HGET', 'convscope:collection:' .. first, 'digest')
  if known then return {known == digest and 'made' or 'reused', first} end
end
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1e6
redis.call('HSET', key, 'display_name', name, 'digest', digest, 'request', request, 'caller', caller,
  'created', string.format('%.6f', now), 'size', 0, 'duplicates', 0, 'broken', 0)
redis.call('ZADD', 'convscope:collections', now, id)
if request ~= '' then redis.call('SET', request, id) end
return {'made', id}
"""

_ADD = """
local id, sha256, size, image = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local key = 'convscope:collection:' .. id
if redis.call('EXISTS', key) == 0 then return 'none' end
if redis.call('HEXISTS', key .. ':numbers', sha256) == 1 then
  redis.call('HINCRBY', key, 'duplicates', 1)
  return 'duplicate'
end
local number = redis.call('RPUSH', key .. ':images', image) - 1
redis.call('HSET', key .. ':numbers', sha256, number)
redis.call('HINCRBY', key, 'size', size)
return 'added'
"""

_ADD_BROKEN = """
local key = 'convscope:collection:' .. ARGV[1]
if redis.call('EXISTS', key) == 0 then return 'none' end
if redis.call('HINCRBY', key, 'broken', 1) <= tonumber(ARGV[3]) then redis.call('RPUSH', key .. ':broken', ARGV[2]) end
return 'broken'
"""

_ANNOTATE = """
local id, name, annotation, masked = ARGV[1], ARGV[2], ARGV[3], ARGV[4] == '1'
local key = 'convscope:collection:' .. id
if redis.call('EXISTS', key) == 0 then return 'none' end
local known = redis.call('HGET', key .. ':annotation-ids', name)
if known then
  return redis.call('LINDEX', key .. ':annotations', known) == annotation and 'duplicate' or 'taken'
end
local number = redis.call('RPUSH', key .. ':annotations', annotation) - 1
redis.call('HSET', key .. ':annotation-ids', name, number)
if masked then redis.call('SADD', key .. ':masks', number) end
return 'added'
"""

_ATTEND = """
local id, name, annotator, sha256 = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local key = 'convscope:collection:' .. id
if redis.call('EXISTS', key) == 0 then return 'none' end
local number = redis.call('HGET', key .. ':annotation-ids', name)
if not number then return 'unknown' end
local maps = cjson.decode(redis.call('HGET', key .. ':attention', number) or '{}')
if maps[annotator] then return maps[annotator] == sha256 and 'duplicate' or 'taken' end
maps[annotator] = sha256
redis.call('HSET', key .. ':attention', number, cjson.encode(maps))
return 'added'
"""

_PUT_INDEX = """
local key = 'convscope:collection:' .. ARGV[1]
if redis.call('EXISTS', key) == 0 then return false end
local before = redis.call('HGET', key .. ':indexes', ARGV[2]) or ''
redis.call('HSET', key .. ':indexes', ARGV[2], ARGV[3])
return before
"""

_ADD_JOB = """
local key = 'convscope:collection:' .. ARGV[1]
if redis.call('EXISTS', key) == 0 then return 0 end
redis.call('SADD', key .. ':jobs', ARGV[2])
return 1
"""

_DELETE = """
local key = 'convscope:collection:' .. ARGV[1]
local request = redis.call('HGET', key, 'request')
if not request then return 0 end
if request ~= '' then redis.call('DEL', request) end
redis.call('ZREM', 'convscope:collections', ARGV[1])
redis.call('DEL', key, key .. ':images', key .. ':numbers', key .. ':broken', key .. ':indexes', key .. ':jobs',
  key .. ':annotations', key .. ':annotation-ids', key .. ':masks', key .. ':attention')
return 1
"""

Added = Literal["added", "duplicate", "broken"]
Annotated = Literal["added", "duplicate", "taken", "unknown"]
"""taken: there is another of that name. unknown: there is no such annotation."""


@dataclass(frozen=True)
class Made:
    """A collection that was made, now or by the same call before."""

    id: str
    reused: bool
    """Whether that call was for something else."""


class CollectionRecords:
    """All collections of a store. Every method may raise redis.RedisError; a script is run whole or not at all."""

    def __init__(self, store: redis.Redis) -> None:
        self._store = store
        self._create, self._add = store.register_script(_CREATE), store.register_script(_ADD)
        self._add_broken, self._put_index = store.register_script(_ADD_BROKEN), store.register_script(_PUT_INDEX)
        self._add_job, self._delete = store.register_script(_ADD_JOB), store.register_script(_DELETE)
        self._annotate, self._attend = store.register_script(_ANNOTATE), store.register_script(_ATTEND)

    def create(self, display_name: str, *, caller: str, request_id: str) -> Made:
        """Make a collection, or find the one that the same call of the same caller made before."""
        request = f"convscope:collection-request:{len(caller)}:{caller}:{request_id}" if request_id else ""
        digest = json.dumps([display_name])
        answer, id = self._create(args=[uuid.uuid4().hex, display_name, digest, request, caller])
        return Made(id.decode(), reused=answer == b"reused")

    def find(self, id: str) -> Collection | None:
        """A snapshot; None: no such collection."""
        pipeline = self._store.pipeline()
        key = _key(id)
        pipeline.hgetall(key)
        pipeline.llen(f"{key}:images")
        pipeline.lrange(f"{key}:broken", 0, -1)
        pipeline.hvals(f"{key}:indexes")
        pipeline.smembers(f"{key}:jobs")
        pipeline.llen(f"{key}:annotations")
        pipeline.scard(f"{key}:masks")
        pipeline.hlen(f"{key}:attention")
        record, count, broken, indexes, jobs, annotations, masks, attended = pipeline.execute()
        if not record:
            return None
        found = [IndexRecord.read(json.loads(one)) for one in indexes]
        return Collection(
            id=id,
            display_name=record[b"display_name"].decode(),
            caller=record.get(b"caller", b"").decode(),
            created=float(record[b"created"]),
            image_count=count,
            size=int(record[b"size"]),
            duplicate_count=int(record[b"duplicates"]),
            broken_count=int(record[b"broken"]),
            broken=tuple(BrokenFile(**json.loads(one)) for one in broken),
            indexes=tuple(sorted(found, key=lambda one: -one.updated)),
            jobs=tuple(sorted(job.decode() for job in jobs)),
            annotation_count=annotations,
            mask_count=masks,
            attended_count=attended,
        )

    def before(self, place: Place | None, count: int) -> list[Place]:
        """The newest collections, with the times at which they were made; those that come after `place`, if any."""
        return newest(self._store, "convscope:collections", place, count)

    def add(self, id: str, image: StoredImage) -> Added | None:
        """Add an image whose file is in its place; None: there is no such collection."""
        answer = self._add(args=[id, image.sha256, image.size, json.dumps(asdict(image))]).decode()
        return None if answer == "none" else answer

    def add_broken(self, id: str, file: BrokenFile) -> Added | None:
        """Note a file that was no picture; None: there is no such collection."""
        answer = self._add_broken(args=[id, json.dumps(asdict(file)), BROKEN]).decode()
        return None if answer == "none" else answer

    def images(self, id: str, first: int, count: int) -> list[StoredImage]:
        """Those with the numbers from `first` on, `count` at most."""
        if count < 1:
            return []
        found: Any = self._store.lrange(f"{_key(id)}:images", first, first + count - 1)
        return [StoredImage(**json.loads(one)) for one in found]

    def numbered(self, id: str, numbers: Sequence[int]) -> list[StoredImage]:
        """Those with these numbers, all of which are there."""
        pipeline = self._store.pipeline(transaction=False)
        for number in numbers:
            pipeline.lindex(f"{_key(id)}:images", number)
        return [StoredImage(**json.loads(one)) for one in pipeline.execute()]

    def number_of(self, id: str, sha256: str) -> int | None:
        """Of the image with that content; None: there is none."""
        number: Any = self._store.hget(f"{_key(id)}:numbers", sha256)
        return None if number is None else int(number)

    def annotate(self, id: str, annotation: StoredAnnotation) -> Annotated | None:
        """Add an annotation whose mask's file is in its place; None: there is no such collection."""
        written = json.dumps(
            {
                "id": annotation.id,
                "image": annotation.image_number,
                "target": annotation.target,
                "mask": annotation.mask,
            }
        )
        masked = "1" if annotation.mask else "0"
        answer = self._annotate(args=[id, annotation.id, written, masked]).decode()
        return None if answer == "none" else answer

    def attend(self, id: str, annotation: str, annotator: int, sha256: str) -> Annotated | None:
        """Add an attention map whose file is in its place; None: there is no such collection."""
        answer = self._attend(args=[id, annotation, annotator, sha256]).decode()
        return None if answer == "none" else answer

    def annotations(self, id: str, first: int, count: int) -> list[StoredAnnotation]:
        """Those with the numbers from `first` on, `count` at most."""
        if count < 1:
            return []
        found: Any = self._store.lrange(f"{_key(id)}:annotations", first, first + count - 1)
        numbers = range(first, first + len(found))
        maps: Any = self._store.hmget(f"{_key(id)}:attention", list(numbers)) if found else []
        return [_annotation(one, attention or b"{}") for one, attention in zip(found, maps, strict=True)]

    def annotation(self, id: str, name: str) -> StoredAnnotation | None:
        """By its name; None: there is none."""
        number: Any = self._store.hget(f"{_key(id)}:annotation-ids", name)
        if number is None:
            return None
        found = self.annotations(id, int(number), 1)
        return found[0] if found else None

    def masked(self, id: str) -> list[int]:
        """Numbers of the annotations with a mask."""
        found: Any = self._store.smembers(f"{_key(id)}:masks")
        return sorted(map(int, found))

    def attended(self, id: str) -> list[int]:
        """Numbers of the annotations with attention maps."""
        found: Any = self._store.hkeys(f"{_key(id)}:attention")
        return sorted(map(int, found))

    def put_index(self, id: str, index: IndexRecord) -> IndexRecord | None:
        """Let an index be what it is from now on; with what it was before. Raises LookupError where the collection is
        no more."""
        before = self._put_index(args=[id, index.id, json.dumps(asdict(index))])
        if before is None:
            raise LookupError(id)
        return IndexRecord.read(json.loads(before)) if before else None

    def add_job(self, id: str, job: str) -> bool:
        """Note that a job works on it. False: there is no such collection."""
        return bool(self._add_job(args=[id, job]))

    def forget_jobs(self, id: str, jobs: Sequence[str]) -> None:
        """They have ended."""
        if jobs:
            self._store.srem(f"{_key(id)}:jobs", *jobs)

    def delete(self, id: str) -> bool:
        """Forget a collection. False: there was none."""
        return bool(self._delete(args=[id]))


def _annotation(record: bytes, maps: bytes) -> StoredAnnotation:
    written = json.loads(record)
    attention = tuple(sorted((int(annotator), sha256) for annotator, sha256 in json.loads(maps).items()))
    return StoredAnnotation(written["id"], written["image"], written["target"], written["mask"], attention)


def _key(id: str) -> str:
    return f"convscope:collection:{id}"
