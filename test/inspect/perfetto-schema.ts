/**
 * The part of Perfetto's trace format that kseg writes, for a protobuf library to read: message and field numbers as
 * published in Perfetto's protos/perfetto/trace (trace.proto, trace_packet.proto, track_event, interned_data). Stated
 * here once more, and not taken from the writer, so that a wrong number there shows.
 */
import protobuf from "protobufjs";

const SCHEMA = `
syntax = "proto2";
message Trace { repeated TracePacket packet = 1; }
message TracePacket {
  optional uint64 timestamp = 8;
  optional uint32 trusted_packet_sequence_id = 10;
  optional TrackEvent track_event = 11;
  optional InternedData interned_data = 12;
  optional uint32 sequence_flags = 13;
  optional TrackDescriptor track_descriptor = 60;
}
message TrackDescriptor {
  optional uint64 uuid = 1;
  optional string name = 2;
  optional ProcessDescriptor process = 3;
  optional uint64 parent_uuid = 5;
  optional CounterDescriptor counter = 8;
}
message ProcessDescriptor { optional int32 pid = 1; optional string process_name = 6; }
message CounterDescriptor { optional int32 type = 1; }
message TrackEvent {
  enum Type { TYPE_UNSPECIFIED = 0; TYPE_SLICE_BEGIN = 1; TYPE_SLICE_END = 2; TYPE_INSTANT = 3; TYPE_COUNTER = 4; }
  repeated DebugAnnotation debug_annotations = 4;
  optional Type type = 9;
  optional uint64 name_iid = 10;
  optional uint64 track_uuid = 11;
  optional int64 counter_value = 30;
}
message DebugAnnotation {
  optional uint64 name_iid = 1;
  optional uint64 uint_value = 3;
  optional string string_value = 6;
  optional uint64 pointer_value = 7;
}
message InternedData { repeated Interned event_names = 2; repeated Interned debug_annotation_names = 3; }
message Interned { optional uint64 iid = 1; optional string name = 2; }
`;

/** An event with its names. */
export interface ReadEvent {
  readonly type: "begin" | "end" | "instant" | "counter";
  readonly track: string;
  /** Nanoseconds. */
  readonly timestamp: number;
  readonly name: string;
  readonly fields: Readonly<Record<string, number | string>>;
  readonly value: number;
}

const TYPES = [undefined, "begin", "end", "instant", "counter"] as const;

interface Packet {
  readonly timestamp?: number;
  readonly sequenceFlags?: number;
  readonly trustedPacketSequenceId?: number;
  readonly trackDescriptor?: {
    readonly uuid: number;
    readonly name?: string;
    readonly process?: { readonly processName: string };
  };
  readonly internedData?: Readonly<
    Record<"eventNames" | "debugAnnotationNames", readonly Interned[] | undefined>
  >;
  readonly trackEvent?: {
    readonly type: number;
    readonly trackUuid: number;
    readonly nameIid?: number;
    readonly counterValue?: number;
    readonly debugAnnotations?: readonly {
      readonly nameIid: number;
      readonly uintValue?: number;
      readonly pointerValue?: number;
      readonly stringValue?: string;
    }[];
  };
}

interface Interned {
  readonly iid: number;
  readonly name: string;
}

const { root } = protobuf.parse(SCHEMA);
const TRACE = root.lookupType("Trace");
const PACKET = root.lookupType("TracePacket");
/** Field and wire type of `Trace.packet`, before the length of each. */
const PACKET_TAG = (TRACE.fields["packet"]!.id << 3) | 2;

/** Decodes a trace packet by packet. */
function* packetsOf(bytes: Uint8Array): Generator<Packet> {
  const reader = protobuf.Reader.create(bytes);
  while (reader.pos < reader.len) {
    if (reader.uint32() !== PACKET_TAG) throw new Error(`there is no packet at byte ${reader.pos}`);
    yield PACKET.toObject(PACKET.decode(reader, reader.uint32()), { longs: Number });
  }
}

/** Decodes a trace event by event; throws if it is none. */
export function* readEvents(bytes: Uint8Array): Generator<ReadEvent> {
  const tracks = new Map<number, string>();
  const names = { eventNames: new Map<number, string>(), debugAnnotationNames: new Map<number, string>() };
  const known = (map: ReadonlyMap<number, string>, key: number): string => {
    const name = map.get(key);
    if (name === undefined) throw new Error(`number ${key} was used before it had a name`);
    return name;
  };
  let n = 0;
  for (const packet of packetsOf(bytes)) {
    if (packet.trustedPacketSequenceId !== 1) throw new Error(`packet ${n} is of no sequence`);
    if (n++ === 0 && packet.sequenceFlags !== 1) throw new Error("the sequence does not begin");
    const { trackDescriptor: track, internedData, trackEvent: event } = packet;
    if (track !== undefined) tracks.set(track.uuid, track.name ?? track.process!.processName);
    for (const kind of ["eventNames", "debugAnnotationNames"] as const)
      for (const { iid, name } of internedData?.[kind] ?? []) names[kind].set(iid, name);
    if (event === undefined) continue;
    const fields = (event.debugAnnotations ?? []).map((annotation) => {
      const value = annotation.stringValue ?? annotation.pointerValue ?? annotation.uintValue;
      if (value === undefined) throw new Error("an annotation without a value");
      return [known(names.debugAnnotationNames, annotation.nameIid), value] as const;
    });
    yield {
      type: TYPES[event.type]!,
      track: known(tracks, event.trackUuid),
      timestamp: packet.timestamp!,
      name: event.nameIid === undefined ? "" : known(names.eventNames, event.nameIid),
      fields: Object.fromEntries(fields),
      value: event.counterValue ?? 0,
    };
  }
}

/** All events of a trace. */
export const readTrace = (bytes: Uint8Array): ReadEvent[] => [...readEvents(bytes)];
