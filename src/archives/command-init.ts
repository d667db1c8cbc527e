/**
 * One command in a guest, in place of a shell: the first program that runs it, and how it talks to the outside.
 *
 *     ttyS0, sent      the kernel's messages, and lines of the first program: READY, then STATUS and a number
 *     ttyS0, received  the command's input in pieces: a length in decimal, a line feed, so many bytes; 0 is the end;
 *                      nothing if all of the input was known before: then it is a file
 *     ttyS1, ttyS2     the command's output and errors, as they are
 */
import type { CpioEntry } from "./cpio.ts";
import { FIRST_STEPS } from "./root-file-system.ts";

/** The line by which the guest says that it takes input. */
export const READY = "kseg: ready";
/** Before the command's exit status, on the last line. */
export const STATUS = "kseg: status ";

const FOLDER = "kseg";

/** The first program's name, for the kernel's `rdinit=`. */
export const COMMAND_INIT = `/${FOLDER}/init`;

/**
 * The command's output goes through pipes, so that it is no terminal to it, as behind any pipe. When the command has
 * ended, what it has left running ends as well, and by that the pipes. `stty` waits until a port has sent everything.
 */
const init = (folder: string): string => `${FIRST_STEPS}exec 3>/dev/ttyS1 4>/dev/ttyS2
for port in 0 1 2; do stty -F /dev/ttyS$port raw -echo crtscts; done
cd /${FOLDER}
mkfifo out err
cat out >&3 &
out=$!
cat err >&4 &
err=$!
feed() {
  while read -r length && [ "$length" -gt 0 ]; do
    dd bs="$length" count=1 iflag=fullblock || break
  done
}
if [ ! -e in ]; then
  mkfifo in
  feed </dev/ttyS0 >in 2>/dev/null &
fi
echo "${READY}"
(
  cd ${folder}
  exec sh -c "$(cat /${FOLDER}/command)" </${FOLDER}/in >/${FOLDER}/out 2>/${FOLDER}/err 3>&- 4>&-
)
status=$?
for process in /proc/[0-9]*; do
  case \${process#/proc/} in
    1 | $out | $err) ;;
    *) kill -9 \${process#/proc/} 2>/dev/null ;;
  esac
done
wait $out $err
for port in 1 2; do stty -F /dev/ttyS$port raw; done
echo "${STATUS}$status"
poweroff -f
`;

/** A command for a guest. */
export interface GuestCommand {
  /** For `sh -c`. */
  readonly text: string;
  /** All of its input, if it is known before the start. */
  readonly input?: Uint8Array;
}

/** What the root file system needs to run a command in `folder`, in place of a shell. */
export function commandEntries({ text: command, input }: GuestCommand, folder: string): CpioEntry[] {
  const text = new TextEncoder();
  const inputFile = { type: "file", name: `${FOLDER}/in`, mode: 0o644 } as const;
  return [
    ...(input === undefined ? [] : [{ ...inputFile, data: input }]),
    { type: "directory", name: FOLDER, mode: 0o755 },
    { type: "file", name: `${FOLDER}/command`, mode: 0o644, data: text.encode(command) },
    { type: "file", name: `${FOLDER}/init`, mode: 0o755, data: text.encode(init(folder)) },
  ];
}
