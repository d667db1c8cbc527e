/*
 * map.h - where everything is. The ONLY difference between the two builds.
 *
 * On a bare MIPS the kernel lives in kseg0, which needs no TLB. Under trap and
 * emulate the whole guest runs in the host's user mode, so its kernel is moved
 * down into the host's useg, and the hypervisor translates all of it:
 *
 *                        MAP_BARE               MAP_TE
 *   user programs        00000000-3FFFFFFF      00000000-3FFFFFFF   TLB
 *   kernel, all of RAM   80000000-9FFFFFFF      40000000-5FFFFFFF   no TLB
 *   kernel, mapped       C0000000-DFFFFFFF      60000000-7FFFFFFF   TLB
 *   devices              A0000000-BFFFFFFF      A0000000-BFFFFFFF   uncached
 *
 * A bare MIPS would give user programs 2 GiB; both builds use the same 1 GiB, so
 * that the user programs need not know. Nothing is mapped below 8000h: the
 * hypervisor keeps its window onto the guest's CP0 registers there.
 */
#ifndef MAP_H
#define MAP_H

#if defined(MAP_TE)
#define KSEG0 0x40000000
#define KSEG2 0x60000000
#elif defined(MAP_BARE)
#define KSEG0 0x80000000
#define KSEG2 0xC0000000
#else
#error "define MAP_TE or MAP_BARE"
#endif

#define UNCACHED 0xA0000000
#define PHYSICAL_MASK 0x1FFFFFFF

/* User addresses. The image's link address is also in user/user.ld. */
#define USER_TEXT 0x00400000
#define USER_HEAP 0x10000000
#define USER_STACK_TOP 0x3FFF0000
#define USER_STACK_SIZE 0x00040000

/* Exception vectors, as offsets from EBase (MIPS32 PRA volume III, table 6.2). */
#define VECTOR_REFILL 0x000
#define VECTOR_GENERAL 0x180
#define VECTOR_INTERRUPT 0x200
#define VECTORS_END 0x280

/* Malta's devices, as physical addresses. */
#define ISA_IO 0x18000000         /* the PCI I/O window; ISA ports are at its start */
#define GT64120 0x1BE00000        /* system controller: PCI and interrupt acknowledge */
#define BOARD_SOFTRES 0x1F000500  /* writing 42h here resets the board */

#endif
