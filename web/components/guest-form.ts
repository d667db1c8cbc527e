import { readSettings, SETTINGS, settingText, type Setting, type Settings } from "../../src/web/index.ts";
import { button, el } from "../dom.ts";
import type { ChosenFiles, GuestSession } from "../guest-session.ts";
import type { View } from "./tabs.ts";

/** What the guest is made of, to be changed: settings and files. */
export class GuestForm implements View {
  readonly title = "Guest";
  readonly element: HTMLElement;
  private readonly session: GuestSession;
  private readonly inputs = new Map<Setting, HTMLInputElement | HTMLSelectElement>();
  private readonly problem = el("p", { class: "problem", role: "alert" });
  private readonly fileNames = el("p", { class: "files" });

  /** `choose` is called with files that the user has picked. */
  constructor(
    session: GuestSession,
    start: (settings: Settings, files: ChosenFiles) => void,
    choose: (files: readonly File[]) => void,
  ) {
    this.session = session;
    const picker = el("input", { type: "file", multiple: true, class: "hidden", "aria-label": "Files" });
    picker.tabIndex = -1;
    picker.addEventListener("change", () => {
      choose([...(picker.files ?? [])]);
      picker.value = "";
    });
    const form = el(
      "form",
      { class: "settings", "aria-label": "Settings" },
      ...SETTINGS.map((setting) => this.field(setting)),
      el("button", { type: "submit", class: "primary" }, "Start with these"),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.attempt(() => start(this.read(), session.files));
    });
    form.addEventListener("change", () => this.disableWhatBareHasNot());
    this.element = el(
      "div",
      { class: "view guest" },
      this.problem,
      el("h2", {}, "Files"),
      this.fileNames,
      el(
        "div",
        { class: "buttons" },
        button("Choose files…", "Kernel, initrd, or Debian packages", () => picker.click()),
        button("Demo guest", "The guest that comes with kseg", () =>
          this.attempt(() => start(this.read(), {})),
        ),
        button("Save state", "Keep the guest as it is in a file, to be chosen or dropped later", () =>
          session.client.save(),
        ),
        picker,
      ),
      el(
        "p",
        { class: "hint" },
        "A 32-bit MIPS ELF kernel and its initrd, or Debian's packages linux-image-…-4kc-malta and busybox-static for mipsel. They can also be dropped onto the page, and never leave this computer.",
      ),
      el("h2", {}, "Settings"),
      form,
    );
    session.client.listen({ saved: ({ snapshot }) => download("guest.kseg", snapshot) });
    session.addEventListener("restart", () => this.show());
    session.addEventListener("change", () => this.showProblem(session.problem));
    this.show();
  }

  onShown(shown: boolean): void {
    if (shown) this.session.client.watch({});
  }

  /** Says what is wrong; null: nothing. */
  showProblem(message: string | null): void {
    this.problem.textContent = message ?? "";
    this.problem.hidden = message === null;
  }

  private attempt(action: () => void): void {
    try {
      this.showProblem(null);
      action();
    } catch (error) {
      this.showProblem(error instanceof Error ? error.message : String(error));
    }
  }

  private field(setting: Setting): HTMLElement {
    const { name, label, help, type } = setting;
    const id = `setting-${name}`;
    const input =
      type.kind === "choice"
        ? el("select", { id }, ...[...type.values.keys()].map((value) => el("option", { value }, value)))
        : el("input", { id, type: "text", autocomplete: "off", spellcheck: "false" });
    input.setAttribute("aria-describedby", `${id}-help`);
    this.inputs.set(setting, input);
    return el(
      "div",
      { class: "field" },
      el("label", { for: id }, label),
      input,
      el("small", { id: `${id}-help` }, help),
    );
  }

  /** Throws `SettingError`. */
  private read(): Settings {
    const texts = new Map([...this.inputs].map(([{ name }, input]) => [name, input.value]));
    return readSettings((name) => texts.get(name) ?? null);
  }

  private show(): void {
    const { settings, files, snapshot } = this.session;
    for (const [setting, input] of this.inputs) input.value = settingText(settings, setting);
    this.disableWhatBareHasNot();
    const kernel = files.kernel?.name ?? "the demo guest";
    const parts = [snapshot === null ? `Kernel: ${kernel}` : `Saved state: ${snapshot.name}`];
    if (files.initrd !== undefined) parts.push(`initrd: ${files.initrd.name}`);
    this.fileNames.textContent = parts.join(" · ");
    this.showProblem(this.session.problem);
  }

  private disableWhatBareHasNot(): void {
    const mode = [...this.inputs].find(([{ key }]) => key === "mode")![1].value;
    for (const [{ hypervisor }, input] of this.inputs) input.disabled = hypervisor && mode === "bare";
  }
}

/** Has the browser keep `bytes` as a file. */
function download(name: string, bytes: Uint8Array): void {
  const url = URL.createObjectURL(new Blob([new Uint8Array(bytes)]));
  el("a", { href: url, download: name }).click();
  URL.revokeObjectURL(url);
}
