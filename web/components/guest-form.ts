import { readSettings, SETTINGS, settingText, type Setting, type Settings } from "../../src/web/index.ts";
import { button, el, messageOf } from "../dom.ts";
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
  private readonly save: HTMLButtonElement;
  /** What the user has chosen. What is shown may have come with a file instead, as all of a saved state does. */
  private own: Settings = {};
  /** What is shown has been changed since, and so is the user's. */
  private edited = false;

  /** `choose` is called with files that the user has picked. */
  constructor(session: GuestSession, choose: (files: readonly File[]) => void) {
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
      this.edited = true;
      this.start(session.files);
    });
    form.addEventListener("change", () => this.disableWhatBareHasNot());
    form.addEventListener("input", () => (this.edited = true));
    this.save = button("Save state", "Keep the guest as it is in a file, to be chosen or dropped later", () =>
      session.client.save(),
    );
    this.element = el(
      "div",
      { class: "view guest" },
      this.problem,
      el("h2", {}, "Files"),
      this.fileNames,
      el(
        "div",
        { class: "buttons" },
        button("Choose files…", "Kernel, initrd, Debian packages, or a saved state", () => picker.click()),
        button("Demo guest", "The guest that comes with kseg", () => this.start({})),
        this.save,
        picker,
      ),
      el(
        "p",
        { class: "hint" },
        "A 32-bit MIPS ELF kernel and its initrd, or Debian's packages linux-image-…-4kc-malta and busybox-static for mipsel; or a saved state (guest.kseg), from which a guest goes on. They can also be dropped onto the page, and never leave this computer. Kernels that were not built for trap and emulate run in mode bare, unless the host CPU has EVA.",
      ),
      el("h2", {}, "Settings"),
      form,
    );
    session.client.listen({ saved: ({ snapshot }) => download("guest.kseg", snapshot) });
    session.addEventListener("restart", () => this.show());
    session.addEventListener("refused", () => this.showProblem(session.problem));
    session.addEventListener("change", () => this.enableSave());
    this.show();
  }

  onShown(shown: boolean): void {
    if (shown) this.session.client.watch({});
  }

  /** Shows settings as the user's, before there is a guest. */
  propose(settings: Settings): void {
    this.own = settings;
    this.showSettings(settings);
  }

  /** The settings for another guest. Throws `SettingError`. */
  chosen(): Settings {
    if (this.edited) this.own = this.read();
    return this.own;
  }

  /** Starts a guest of these files. */
  private start(files: ChosenFiles): void {
    this.showProblem(null);
    try {
      void this.session.start(this.chosen(), files);
    } catch (error) {
      this.showProblem(messageOf(error));
    }
  }

  /** Says what is wrong; null: nothing. */
  private showProblem(message: string | null): void {
    this.problem.textContent = message ?? "";
    this.problem.hidden = message === null;
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
    this.showSettings(settings);
    const kernel = files.kernel?.name ?? "the demo guest";
    const parts = [snapshot === null ? `Kernel: ${kernel}` : `Saved state: ${snapshot.name}`];
    if (files.initrd !== undefined) parts.push(`initrd: ${files.initrd.name}`);
    this.fileNames.textContent = parts.join(" · ");
    this.showProblem(this.session.problem);
    this.enableSave();
  }

  private showSettings(settings: Settings): void {
    this.edited = false;
    for (const [setting, input] of this.inputs) input.value = settingText(settings, setting);
    this.disableWhatBareHasNot();
  }

  private enableSave(): void {
    const { state } = this.session;
    this.save.disabled = state === null || state.kind === "failed";
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
