import { GuestSession } from "./guest-session.ts";

/** The page's guest. Imported before all else: its worker is loaded while the rest of the page is being made. */
export const session = new GuestSession();
