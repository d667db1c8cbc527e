/** The page: one guest, its console, and what the hypervisor does for it. */
import type { Settings } from "../src/web/index.ts";
import { Activity } from "./components/activity.ts";
import { CompareView } from "./components/compare-view.ts";
import { CpuView } from "./components/cpu-view.ts";
import { GuestConsole } from "./components/guest-console.ts";
import { GuestForm } from "./components/guest-form.ts";
import { MissView } from "./components/miss-view.ts";
import { Tabs } from "./components/tabs.ts";
import { TranslationView } from "./components/translation-view.ts";
import { Toolbar } from "./components/toolbar.ts";
import { el } from "./dom.ts";
import { isSnapshot, onFilesDropped, sortFiles } from "./files.ts";
import { GuestSession, settingsOfAddress, showInAddress, type ChosenFiles } from "./guest-session.ts";

const session = new GuestSession();
const screen = new GuestConsole(session.client);
const form = new GuestForm(session, start, (files) => void take(files));
const views = new Tabs("Views", [
  new TranslationView(session),
  new MissView(session),
  new CpuView(session),
  new CompareView(session),
  form,
]);

function start(settings: Settings, files: ChosenFiles): void {
  showInAddress(settings);
  void session.start(settings, files);
}

async function take(files: readonly File[]): Promise<void> {
  try {
    const [first] = files;
    if (files.length === 1 && (await isSnapshot(first!))) {
      showInAddress({});
      session.restore({ name: first!.name, bytes: new Uint8Array(await first!.arrayBuffer()) });
      return;
    }
    const sorted = await sortFiles(files, session.files, session.settings);
    start(sorted.settings, sorted.files);
  } catch (error) {
    views.show(form);
    form.showProblem(error instanceof Error ? error.message : String(error));
  }
}

session.addEventListener("restart", () => screen.clear());
session.addEventListener("change", () => {
  const { state, problem } = session;
  if (problem !== null) views.show(form);
  else if (state.kind === "failed") screen.note(state.report);
  else if (state.kind === "off") screen.note(`the guest is off (${state.how})`);
});
onFilesDropped((files) => void take(files));

document.body.append(
  new Toolbar(session).element,
  el("main", {}, el("div", { class: "left" }, screen.element, new Activity(session).element), views.element),
);
screen.open();
try {
  start(settingsOfAddress(), {});
} catch (error) {
  views.show(form);
  form.showProblem(error instanceof Error ? error.message : String(error));
}
