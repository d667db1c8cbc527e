/** A deep copy of plain data: numbers, booleans, strings, and arrays and objects of them. */
function copyPlain<T>(value: T): T {
  if (Array.isArray(value)) return value.map(copyPlain) as T;
  if (typeof value === "object" && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, copyPlain(part)])) as T;
  return value;
}

/**
 * A device whose whole state is plain data. `restore` drives no line and arms no timer: whoever is at the
 * other end (interrupt controller, CPU, timeline) restores its own state.
 */
export abstract class Stateful<State extends object> {
  protected readonly state: State;

  constructor(initial: State) {
    this.state = initial;
  }

  snapshot(): State {
    return copyPlain(this.state);
  }

  restore(state: State): void {
    Object.assign(this.state, copyPlain(state));
  }
}
