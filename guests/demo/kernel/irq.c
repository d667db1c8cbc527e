/*
 * irq.c - the pair of 8259 interrupt controllers, whose output is the CPU's IP2.
 * Only the UART's line (IRQ 4) is let through.
 */
#include "kernel.h"

#define MASTER 0x20
#define SLAVE 0xA0
#define COMMAND(chip) (*isa_port(chip))
#define DATA(chip) (*isa_port((chip) + 1))

#define ICW1_EDGE_CASCADE_ICW4 0x11
#define ICW4_8086 0x01
#define END_OF_INTERRUPT 0x20
#define IRQ_CASCADE 2
#define IRQ_UART 4
#define IRQ_SPURIOUS 7

/* Reading this register of the GT-64120 runs an acknowledge cycle on the PCI bus. */
#define GT_ACKNOWLEDGE 0xC34

void irq_init(void) {
  static const u8 chips[] = {MASTER, SLAVE};
  for (u32 i = 0; i < COUNT_OF(chips); i++) {
    u32 chip = chips[i];
    COMMAND(chip) = ICW1_EDGE_CASCADE_ICW4;
    DATA(chip) = i * 8;                                             /* ICW2: first vector */
    DATA(chip) = chip == MASTER ? 1 << IRQ_CASCADE : IRQ_CASCADE;   /* ICW3: wiring */
    DATA(chip) = ICW4_8086;
    DATA(chip) = chip == MASTER ? (u8) ~(1 << IRQ_CASCADE | 1 << IRQ_UART) : 0xFF;
  }
}

void irq_interrupt(void) {
  u32 irq = *gt_register(GT_ACKNOWLEDGE) & 0xFF;
  stats.device_interrupts++;
  if (irq == IRQ_SPURIOUS) return; /* the request went away: there is nothing to end */
  if (irq == IRQ_UART) console_interrupt();
  if (irq >= 8) COMMAND(SLAVE) = END_OF_INTERRUPT;
  COMMAND(MASTER) = END_OF_INTERRUPT;
}
