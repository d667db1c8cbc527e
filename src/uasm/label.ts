import { LabelError } from "./errors.ts";

/** A place in the code, known once it is bound. */
export class Label {
  readonly name: string;
  private bound: number | null = null;

  constructor(name: string) {
    this.name = name;
  }

  /** Address, or null while the label is not bound. */
  get address(): number | null {
    return this.bound;
  }

  /** Fixes the address. Throws {@link LabelError} if it is fixed already. */
  bindTo(address: number): void {
    if (this.bound !== null) throw new LabelError(this.name, "bound twice");
    this.bound = address;
  }
}
