/**
 * Traces as Perfetto reads them: TrackEvents in protocol buffers (field numbers are those of Perfetto's
 * protos/perfetto/trace/{trace,trace_packet}.proto, track_event/*.proto and interned_data/interned_data.proto).
 */
import type { Tracer } from "../kvm/trace.ts";
import { TICKS_PER_SECOND } from "../machine/timeline.ts";
import { ProtoMessage } from "./protobuf.ts";
import { ADDRESS_FIELDS, exitName, tracerOf, type TraceEvent, type TraceWriter } from "./trace-event.ts";
import { TraceOutput } from "./trace-output.ts";

const TRACE = { packet: 1 } as const;
const PACKET = {
  timestamp: 8,
  sequenceId: 10,
  trackEvent: 11,
  internedData: 12,
  sequenceFlags: 13,
  trackDescriptor: 60,
} as const;
/** TracePacket.SequenceFlags. */
const SEQUENCE = { cleared: 1, needed: 2 } as const;
const TRACK = { uuid: 1, name: 2, process: 3, parent: 5, counter: 8 } as const;
const PROCESS = { pid: 1, name: 6 } as const;
const EVENT = { annotations: 4, type: 9, nameIid: 10, track: 11, counterValue: 30 } as const;
/** TrackEvent.Type. */
const TYPE = { sliceBegin: 1, sliceEnd: 2, instant: 3, counter: 4 } as const;
const ANNOTATION = { nameIid: 1, uint: 3, string: 6, pointer: 7 } as const;
const INTERNED = { eventNames: 2, annotationNames: 3 } as const;
const NAME = { iid: 1, name: 2 } as const;

const NANOSECONDS_PER_TICK = 1e9 / TICKS_PER_SECOND;
const SEQUENCE_ID = 1;
const PID = 1;

/** Tracks of events; those of counters follow. */
const TRACKS = {
  process: { uuid: 1, name: "kseg" },
  vcpu: { uuid: 2, name: "vcpu 0" },
  refills: { uuid: 3, name: "host TLB" },
  spaces: { uuid: 4, name: "address spaces" },
  guest: { uuid: 5, name: "guest exceptions" },
} as const;
const FIRST_COUNTER = 16;

/** Where each event belongs. */
const TRACK_OF: Readonly<Record<keyof Tracer, number>> = {
  kvm_enter: TRACKS.vcpu.uuid,
  kvm_reenter: TRACKS.vcpu.uuid,
  kvm_out: TRACKS.vcpu.uuid,
  kvm_exit: TRACKS.vcpu.uuid,
  kvm_hwr: TRACKS.vcpu.uuid,
  kvm_aux: TRACKS.vcpu.uuid,
  kvm_asid_change: TRACKS.spaces.uuid,
  kseg_refill: TRACKS.refills.uuid,
  kseg_slow_refill: TRACKS.refills.uuid,
  kseg_fill: TRACKS.spaces.uuid,
  kseg_invalidate: TRACKS.spaces.uuid,
  kseg_root_change: TRACKS.spaces.uuid,
  kseg_host_asid: TRACKS.spaces.uuid,
  kseg_guest_exception: TRACKS.guest.uuid,
};

/** Reasons of `kvm_exit` from here on are what emulation found in an exit that has been told already. */
const FIRST_FINDING = 32;

/** A trace in Perfetto's format, written as it goes: an exit is a slice, all else an instant. */
export class PerfettoTrace implements TraceWriter {
  readonly tracer: Tracer;
  private readonly output: TraceOutput;
  private readonly time: () => number;
  /** Numbers of the names that were written, by kind. */
  private readonly names = {
    eventNames: new Map<string, number>(),
    annotationNames: new Map<string, number>(),
  };
  private readonly counters = new Map<string, number>();
  private inExit = false;
  private last = 0;

  /** `write` takes pieces of the file; `time` is the guest's in ticks. */
  constructor(write: (bytes: Uint8Array) => void, time: () => number) {
    this.output = new TraceOutput(write);
    this.time = time;
    this.tracer = tracerOf((event) => this.event(event));
    this.describe();
  }

  private describe(): void {
    const { process, ...others } = TRACKS;
    const named = new ProtoMessage().uint(PROCESS.pid, PID).string(PROCESS.name, process.name);
    const descriptor = new ProtoMessage().uint(TRACK.uuid, process.uuid).message(TRACK.process, named);
    const first = new ProtoMessage().uint(PACKET.sequenceFlags, SEQUENCE.cleared);
    this.add(first.message(PACKET.trackDescriptor, descriptor));
    for (const { uuid, name } of Object.values(others)) this.describeTrack(uuid, name);
  }

  private describeTrack(uuid: number, name: string, kind?: ProtoMessage): void {
    const descriptor = new ProtoMessage()
      .uint(TRACK.uuid, uuid)
      .string(TRACK.name, name)
      .uint(TRACK.parent, TRACKS.process.uuid);
    if (kind !== undefined) descriptor.message(TRACK.counter, kind);
    this.add(new ProtoMessage().message(PACKET.trackDescriptor, descriptor));
  }

  private event(event: TraceEvent): void {
    const { name, fields } = event;
    if (name === "kvm_reenter" || name === "kvm_out") this.endExit();
    // The end of its slice says it.
    if (name === "kvm_reenter") return;
    if (name !== "kvm_exit") return this.trackEvent(TYPE.instant, TRACK_OF[name], name, fields);
    const reason = Number(fields["reason"]);
    const isFinding = reason >= FIRST_FINDING;
    if (!isFinding) this.endExit();
    this.inExit ||= !isFinding;
    this.trackEvent(isFinding ? TYPE.instant : TYPE.sliceBegin, TRACK_OF[name], exitName(reason), fields);
  }

  private endExit(): void {
    if (!this.inExit) return;
    this.inExit = false;
    this.packet(new ProtoMessage().uint(EVENT.type, TYPE.sliceEnd).uint(EVENT.track, TRACKS.vcpu.uuid));
  }

  private trackEvent(type: number, track: number, name: string, fields: TraceEvent["fields"]): void {
    const interned = new ProtoMessage();
    const event = new ProtoMessage()
      .uint(EVENT.type, type)
      .uint(EVENT.track, track)
      .uint(EVENT.nameIid, this.intern("eventNames", name, interned));
    for (const [field, value] of Object.entries(fields)) {
      const iid = this.intern("annotationNames", field, interned);
      const annotation = new ProtoMessage().uint(ANNOTATION.nameIid, iid);
      if (typeof value === "string") annotation.string(ANNOTATION.string, value);
      else annotation.uint(ADDRESS_FIELDS.has(field) ? ANNOTATION.pointer : ANNOTATION.uint, value);
      event.message(EVENT.annotations, annotation);
    }
    this.packet(event, interned);
  }

  /** The number of a name, which goes into `interned` if it is new. */
  private intern(kind: "eventNames" | "annotationNames", name: string, interned: ProtoMessage): number {
    const known = this.names[kind].get(name);
    if (known !== undefined) return known;
    const iid = this.names[kind].size + 1;
    this.names[kind].set(name, iid);
    interned.message(INTERNED[kind], new ProtoMessage().uint(NAME.iid, iid).string(NAME.name, name));
    return iid;
  }

  sample(counters: Readonly<Record<string, number>>): void {
    for (const [name, value] of Object.entries(counters)) {
      let uuid = this.counters.get(name);
      if (uuid === undefined) {
        uuid = FIRST_COUNTER + this.counters.size;
        this.counters.set(name, uuid);
        this.describeTrack(uuid, name, new ProtoMessage());
      }
      const event = new ProtoMessage().uint(EVENT.type, TYPE.counter).uint(EVENT.track, uuid);
      this.packet(event.uint(EVENT.counterValue, value));
    }
  }

  private packet(event: ProtoMessage, interned?: ProtoMessage): void {
    // An instruction that is executed again takes back the time that it took.
    this.last = Math.max(this.last, this.time());
    const packet = new ProtoMessage()
      .uint(PACKET.timestamp, Math.round(this.last * NANOSECONDS_PER_TICK))
      .uint(PACKET.sequenceFlags, SEQUENCE.needed);
    if (interned !== undefined && interned.bytes.length > 0) packet.message(PACKET.internedData, interned);
    this.add(packet.message(PACKET.trackEvent, event));
  }

  private add(packet: ProtoMessage): void {
    packet.uint(PACKET.sequenceId, SEQUENCE_ID);
    this.output.add(new ProtoMessage().message(TRACE.packet, packet).bytes);
  }

  finish(): void {
    this.endExit();
    this.output.flush();
  }
}
