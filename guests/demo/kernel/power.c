/*
 * power.c - turning the machine off, through the power management of the PIIX4
 * south bridge: PCI device 10, function 3.
 */
#include "kernel.h"

#define GT_CONFIG_ADDRESS 0xCF8
#define GT_CONFIG_DATA 0xCFC

#define PM_DEVICE 10
#define PM_FUNCTION 3
#define PCI_COMMAND 0x04
#define PCI_COMMAND_IO 0x01
#define PM_BASE 0x40   /* I/O address of the power management registers */
#define PM_ENABLE 0x80 /* bit 0: decode them */
#define PM_CONTROL 0x04
#define SUSPEND_ENABLE (1 << 13) /* with a suspend type of 0: soft off */
#define PM_PORT 0x1000           /* where we put them; ISA devices end at 03FFh */

/* A special cycle is a write to device 31, function 7, register 0 of bus 0. */
#define SPECIAL_DEVICE 31
#define SPECIAL_FUNCTION 7
#define SPECIAL_STOP_GRANT 0x00120002

#define SOFTRES_GO 0x42

static volatile u32 *config(u32 device, u32 function, u32 reg) {
  *gt_register(GT_CONFIG_ADDRESS) = 0x80000000 | device << 11 | function << 8 | reg;
  return gt_register(GT_CONFIG_DATA);
}

void power_off(void) {
  print("power off\n");
  console_flush();
  interrupts_off();

  *config(PM_DEVICE, PM_FUNCTION, PM_BASE) = PM_PORT | 1;
  *config(PM_DEVICE, PM_FUNCTION, PM_ENABLE) |= 1;
  *config(PM_DEVICE, PM_FUNCTION, PCI_COMMAND) |= PCI_COMMAND_IO;
  *(volatile u16 *)isa_port(PM_PORT + PM_CONTROL) = SUSPEND_ENABLE;

  /* The real chip waits for the processor to stop before it cuts the power. */
  *config(SPECIAL_DEVICE, SPECIAL_FUNCTION, 0) = SPECIAL_STOP_GRANT;
  u32 start = read_count();
  while (read_count() - start < COUNT_HZ / 2) continue;

  print("the power stays on; resetting the board\n");
  console_flush();
  *(volatile u32 *)(UNCACHED + BOARD_SOFTRES) = SOFTRES_GO;
  for (;;) continue;
}
