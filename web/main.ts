/** The page: one guest, its console, and what the hypervisor does for it. */
import { session } from "./page-session.ts";
import { Activity } from "./components/activity.ts";
import { CompareView } from "./components/compare-view.ts";
import { CpuView } from "./components/cpu-view.ts";
import { GuestConsole } from "./components/guest-console.ts";
import { GuestForm } from "./components/guest-form.ts";
import { MissView } from "./components/miss-view.ts";
import { Tabs } from "./components/tabs.ts";
import { TranslationView } from "./components/translation-view.ts";
import { Toolbar } from "./components/toolbar.ts";
import { el, messageOf } from "./dom.ts";
import { onFilesDropped, sortFiles } from "./files.ts";
import { settingsOfAddress, showInAddress } from "./guest-session.ts";

const screen = new GuestConsole(session.client);
const form = new GuestForm(session, (files) => void take(files));
const views = new Tabs("Views", [
  new TranslationView(session),
  new MissView(session),
  new CpuView(session),
  new CompareView(session),
  form,
]);

/** So often files were given: while some are read others may be. */
let given = 0;

async function take(files: readonly File[]): Promise<void> {
  const mine = ++given;
  try {
    const sorted = await sortFiles(files, session.files, form.chosen());
    if (mine !== given) return;
    if (sorted.snapshot !== null) session.restore(sorted.snapshot);
    else await session.start(sorted.settings, sorted.files);
  } catch (error) {
    if (mine === given) session.refuse(messageOf(error));
  }
}

session.addEventListener("restart", () => {
  screen.clear();
  showInAddress(session.settings);
});
session.addEventListener("refused", () => views.show(form));
session.addEventListener("change", () => {
  const { state } = session;
  if (state?.kind === "failed") screen.note(state.report);
  else if (state?.kind === "off") screen.note(`the guest is off (${state.how})`);
});
// The Tab key is the guest's, in the console.
document.addEventListener("keydown", (event) => {
  if (event.key !== "F6") return;
  event.preventDefault();
  if (screen.element.contains(document.activeElement)) views.focus();
  else screen.focus();
});
onFilesDropped((files) => void take(files));

document.body.append(
  new Toolbar(session).element,
  el("main", {}, el("div", { class: "left" }, screen.element, new Activity(session).element), views.element),
);
screen.open();
const wrong: string[] = [];
const settings = settingsOfAddress(({ message }) => wrong.push(message));
form.propose(settings);
if (wrong.length === 0) void session.start(settings, {});
else session.refuse(wrong.join("; "));
