/*
 * cp0.h - the system coprocessor: register fields, and in C their accessors.
 *
 * Under trap and emulate each of these accesses is an exception in the host
 * until the hypervisor rewrites the instruction into a load or store.
 */
#ifndef CP0_H
#define CP0_H

#define STATUS_IE 0x00000001
#define STATUS_EXL 0x00000002
#define STATUS_ERL 0x00000004
#define STATUS_UM 0x00000010
#define STATUS_IM2 0x00000400 /* the 8259 pair */
#define STATUS_IM7 0x00008000 /* Count/Compare */
#define STATUS_BEV 0x00400000

#define CAUSE_IP2 0x00000400
#define CAUSE_IP7 0x00008000
#define CAUSE_IV 0x00800000
#define CAUSE_BD 0x80000000

#define EXC_INT 0
#define EXC_MOD 1
#define EXC_TLBL 2
#define EXC_TLBS 3
#define EXC_ADES 5
#define EXC_SYS 8

#define ENTRYHI_ASID 0xFF
#define ENTRYLO_G 1
#define ENTRYLO_V 2
#define ENTRYLO_D 4

#define HWRENA_CPUNUM_SYNCI_CC_CCRES 0xF

#ifndef __ASSEMBLER__
typedef unsigned int u32;

#define CP0_REGISTER(name, number, select)                                     \
  static inline u32 read_##name(void) {                                        \
    u32 value;                                                                 \
    __asm__ volatile("mfc0 %0, $" #number ", " #select : "=r"(value));         \
    return value;                                                              \
  }                                                                            \
  static inline void write_##name(u32 value) {                                 \
    __asm__ volatile("mtc0 %0, $" #number ", " #select : : "r"(value));        \
  }

CP0_REGISTER(index, 0, 0)
CP0_REGISTER(entrylo0, 2, 0)
CP0_REGISTER(entrylo1, 3, 0)
CP0_REGISTER(pagemask, 5, 0)
CP0_REGISTER(wired, 6, 0)
CP0_REGISTER(hwrena, 7, 0)
CP0_REGISTER(count, 9, 0)
CP0_REGISTER(entryhi, 10, 0)
CP0_REGISTER(compare, 11, 0)
CP0_REGISTER(status, 12, 0)
CP0_REGISTER(cause, 13, 0)
CP0_REGISTER(prid, 15, 0)
CP0_REGISTER(ebase, 15, 1)
CP0_REGISTER(config1, 16, 1)
CP0_REGISTER(config2, 16, 2)
CP0_REGISTER(config3, 16, 3)
CP0_REGISTER(config4, 16, 4)

/* Make the effect of earlier CP0 writes visible to what follows. */
static inline void hazard(void) { __asm__ volatile("ehb" : : : "memory"); }

static inline void tlb_probe(void) { __asm__ volatile("tlbp; ehb" : : : "memory"); }
static inline void tlb_read(void) { __asm__ volatile("tlbr; ehb" : : : "memory"); }
static inline void tlb_write_indexed(void) { __asm__ volatile("tlbwi; ehb" : : : "memory"); }
static inline void interrupts_off(void) { __asm__ volatile("di; ehb" : : : "memory"); }
#endif

#endif
