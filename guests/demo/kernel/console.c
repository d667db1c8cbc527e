/*
 * console.c - a 16550 UART at ISA port 3F8h.
 *
 * Output waits for the UART. Input is collected by the interrupt handler; when the
 * buffer is full it stops listening, so the sender has to wait and nothing is lost.
 */
#include "kernel.h"

#define UART 0x3F8
#define RBR (*isa_port(UART + 0)) /* received byte */
#define THR (*isa_port(UART + 0)) /* byte to send */
#define IER (*isa_port(UART + 1)) /* interrupt enable */
#define IIR (*isa_port(UART + 2)) /* interrupt identification */
#define LCR (*isa_port(UART + 3)) /* line control */
#define MCR (*isa_port(UART + 4)) /* modem control */
#define LSR (*isa_port(UART + 5)) /* line status */

#define IER_RECEIVED 0x01
#define LCR_8N1 0x03
#define IIR_FIFO 0xC0 /* both bits: the FIFOs are on */
#define MCR_DTR_RTS_OUT2 0x0B /* OUT2 lets the interrupt out of the chip */
#define LSR_RECEIVED 0x01
#define LSR_FIFO_EMPTY 0x20
#define LSR_ALL_SENT 0x40
#define FIFO_SIZE 16

static char input[256];
static u32 read_at, write_at; /* ever growing; the difference is what is buffered */
static bool listening;
static u32 send_depth; /* bytes the UART takes when it has sent all before */
static u32 room;       /* of these, how many it is known to take now */

static void listen(bool on) {
  listening = on;
  IER = on ? IER_RECEIVED : 0;
}

void console_init(void) {
  LCR = LCR_8N1; /* the speed stays what the boot monitor chose */
  /* So do the FIFOs: switching them on would lose bytes that are already there. */
  send_depth = (IIR & IIR_FIFO) == IIR_FIFO ? FIFO_SIZE : 1;
  MCR = MCR_DTR_RTS_OUT2;
  listen(false);
}

void console_open(void) {
  listen(true);
}

static void send(char c) {
  if (room == 0) {
    while (!(LSR & LSR_FIFO_EMPTY)) continue;
    room = send_depth;
  }
  THR = (u8)c;
  room--;
}

void console_put(char c) {
  if (c == '\n') send('\r');
  send(c);
}

void console_flush(void) {
  while (!(LSR & LSR_ALL_SENT)) continue;
}

void console_interrupt(void) {
  while (LSR & LSR_RECEIVED) {
    if (write_at - read_at == sizeof input) {
      listen(false);
      break;
    }
    input[write_at++ % sizeof input] = (char)RBR;
  }
  wakeup(input);
}

/* The next byte of input, waiting for it if need be. */
int console_get(void) {
  while (read_at == write_at) sleep_on(input);
  char c = input[read_at++ % sizeof input];
  if (!listening && read_at == write_at) listen(true);
  return (u8)c;
}
