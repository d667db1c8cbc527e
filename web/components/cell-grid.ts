import { colour, el, onColourScheme } from "../dom.ts";

/** A colour of the style sheet, and how strong it is within its outline: 0 to 1. */
export interface Fill {
  readonly colour: `--${string}`;
  readonly strength: number;
}

/** A cell: what it is filled with, side by side, and a letter if there is room. */
export interface Cell {
  readonly fills: readonly Fill[];
  readonly letter?: string;
}

interface GridOptions {
  readonly label: string;
  /** Height of a cell for its width. */
  readonly aspect: number;
  /** What a cell is, in words; it is shown and read when the cell is pointed at. */
  readonly describe: (index: number) => string;
  /** A cell was clicked, or Enter was pressed on it. */
  readonly onPick: (index: number) => void;
}

/** How long a cell is lit up that has changed, in milliseconds. */
const GLOW = 700;
/** It is lit up along its edges, for so much of its shorter side: what it is can still be seen. */
const GLOW_EDGE = 0.25;
/** Cells below this many pixels have no gaps; from this many on they have letters. */
const GAP_FROM = 5;
const LETTER_FROM = 16;
/** Fills from this many pixels on have an outline in their full colour. */
const OUTLINE_FROM = 3;
/** How strong a fill is at least, with an outline and without. */
const PALEST = { outlined: 0.12, plain: 0.4 } as const;
const TALLEST_CELL = 26;

const KEYS: Readonly<Record<string, (columns: number) => number>> = {
  ArrowRight: () => 1,
  ArrowLeft: () => -1,
  ArrowDown: (columns) => columns,
  ArrowUp: (columns) => -columns,
};

/** Many small things of a kind as a grid of cells, which can be looked at and picked by pointer and by keyboard. */
export class CellGrid {
  readonly element: HTMLElement;
  private readonly options: GridOptions;
  private readonly canvas: HTMLCanvasElement;
  /** What the cell is that is pointed at. */
  readonly status = el("output", { class: "cell-status" });
  private cells: readonly (Cell | null)[] = [];
  private columns = 1;
  /** When cells were lit up, and in which colour. */
  private readonly glows = new Map<number, { readonly since: number; readonly colour: `--${string}` }>();
  private pointedAt: number | null = null;
  private picked: number | null = null;
  private frame = 0;

  constructor(options: GridOptions) {
    this.options = options;
    this.canvas = el("canvas", { tabindex: "0", role: "application", "aria-label": options.label });
    this.element = el("div", { class: "cells" }, this.canvas);
    this.canvas.addEventListener("pointermove", (event) => this.point(this.cellAt(event)));
    this.canvas.addEventListener("pointerleave", () => this.point(null));
    this.canvas.addEventListener("blur", () => this.point(null));
    this.canvas.addEventListener("click", (event) => this.pick(this.cellAt(event)));
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.redraw()).observe(this.canvas);
    onColourScheme(() => this.redraw());
  }

  /** Shows these cells, in rows of `columns`; null: there is nothing. */
  show(cells: readonly (Cell | null)[], columns: number): void {
    this.cells = cells;
    this.columns = columns;
    this.describePointedAt();
    this.redraw();
  }

  /** Lights a cell up for a moment. */
  light(index: number, of: `--${string}`): void {
    this.glows.set(index, { since: performance.now(), colour: of });
    this.redraw();
  }

  /** Forgets what was lit, picked and pointed at: the cells mean something else now. */
  reset(): void {
    this.glows.clear();
    this.picked = null;
    this.redraw();
  }

  private key(event: KeyboardEvent): void {
    const step = KEYS[event.key]?.(this.columns);
    if (step !== undefined) {
      const next = (this.pointedAt ?? -Math.max(step, 1) + (step < 0 ? 1 : 0)) + step;
      if (next >= 0 && next < this.cells.length) this.point(next);
    } else if (event.key === "Enter" || event.key === " ") this.pick(this.pointedAt);
    else return;
    event.preventDefault();
  }

  private point(index: number | null): void {
    if (index === this.pointedAt) return;
    this.pointedAt = index;
    this.describePointedAt();
    this.redraw();
  }

  private describePointedAt(): void {
    const text = this.pointedAt === null ? "" : this.options.describe(this.pointedAt);
    if (this.status.textContent !== text) this.status.textContent = text;
  }

  private pick(index: number | null): void {
    if (index === null) return;
    this.picked = index;
    this.options.onPick(index);
    this.redraw();
  }

  private cellAt({ offsetX, offsetY }: PointerEvent | MouseEvent): number | null {
    const size = this.cellSize;
    const column = Math.floor(offsetX / size.width);
    const index = Math.floor(offsetY / size.height) * this.columns + column;
    return column < this.columns && index >= 0 && index < this.cells.length ? index : null;
  }

  private get cellSize(): { readonly width: number; readonly height: number } {
    const width = this.canvas.clientWidth / this.columns;
    return { width, height: Math.min(width * this.options.aspect, TALLEST_CELL) };
  }

  /** Draws with the browser's next frame. */
  private redraw(): void {
    if (this.frame === 0) this.frame = requestAnimationFrame(() => this.draw());
  }

  private draw(): void {
    this.frame = 0;
    const { canvas, cells, columns } = this;
    const { width, height } = this.cellSize;
    if (width === 0) return;
    const wanted = `${Math.ceil(cells.length / columns) * height}px`;
    if (canvas.style.height !== wanted) canvas.style.height = wanted;
    const scale = devicePixelRatio;
    canvas.width = Math.round(canvas.clientWidth * scale);
    canvas.height = Math.round(canvas.clientHeight * scale);
    const context = canvas.getContext("2d")!;
    context.scale(scale, scale);
    const gap = width < GAP_FROM ? 0 : 1;
    const rectangle = (index: number): [number, number, number, number] => [
      (index % columns) * width,
      Math.floor(index / columns) * height,
      width - gap,
      height - gap,
    ];
    const colours = new Map<string, string>();
    const fill = (of: `--${string}`, level: number): void => {
      if (!colours.has(of)) colours.set(of, colour(of));
      context.fillStyle = colours.get(of)!;
      context.globalAlpha = level;
    };
    for (const [index, cell] of cells.entries()) {
      fill("--empty", 1);
      context.fillRect(...rectangle(index));
      if (cell === null) continue;
      const [x, y, w, h] = rectangle(index);
      const part = w / cell.fills.length;
      for (const [i, { colour: of, strength }] of cell.fills.entries()) {
        const isOutlined = Math.min(part, h) >= OUTLINE_FROM;
        const palest = isOutlined ? PALEST.outlined : PALEST.plain;
        fill(of, palest + (1 - palest) * strength);
        context.fillRect(x + i * part, y, part, h);
        if (!isOutlined) continue;
        fill(of, 1);
        context.strokeStyle = context.fillStyle;
        context.lineWidth = 1;
        context.strokeRect(x + i * part + 0.5, y + 0.5, part - 1, h - 1);
      }
    }
    this.drawGlows(rectangle, fill, context);
    if (width >= LETTER_FROM) this.drawLetters(rectangle, fill, context);
    context.globalAlpha = 1;
    for (const [index, of] of [
      [this.picked, "--ink"],
      [this.pointedAt, "--accent"],
    ] as const) {
      if (index === null) continue;
      fill(of, 1);
      context.strokeStyle = context.fillStyle;
      context.lineWidth = 2;
      context.strokeRect(...rectangle(index));
    }
  }

  private drawLetters(
    rectangle: (index: number) => [number, number, number, number],
    fill: (of: `--${string}`, level: number) => void,
    context: CanvasRenderingContext2D,
  ): void {
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.font = "600 12px system-ui, sans-serif";
    context.lineJoin = "round";
    context.lineWidth = 4;
    for (const [index, cell] of this.cells.entries()) {
      if (cell?.letter === undefined) continue;
      const [x, y, w, h] = rectangle(index);
      // On an edge of paper a letter can be read whatever the cell's colour is.
      fill("--panel", 1);
      context.strokeStyle = context.fillStyle;
      context.strokeText(cell.letter, x + w / 2, y + h / 2);
      fill("--ink", 1);
      context.fillText(cell.letter, x + w / 2, y + h / 2);
    }
  }

  private drawGlows(
    rectangle: (index: number) => [number, number, number, number],
    fill: (of: `--${string}`, level: number) => void,
    context: CanvasRenderingContext2D,
  ): void {
    const now = performance.now();
    for (const [index, { since, colour: of }] of this.glows) {
      const left = 1 - (now - since) / GLOW;
      if (left <= 0 || index >= this.cells.length) {
        this.glows.delete(index);
        continue;
      }
      fill(of, left);
      const [x, y, w, h] = rectangle(index);
      const edge = Math.min(w, h) * GLOW_EDGE;
      context.strokeStyle = context.fillStyle;
      context.lineWidth = edge;
      context.strokeRect(x + edge / 2, y + edge / 2, w - edge, h - edge);
    }
    if (this.glows.size > 0) this.redraw();
  }
}
