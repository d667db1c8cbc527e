/*
 * page.h - pages and page-table entries. Included by C and by assembly.
 *
 * A PTE is an EntryLo shifted left by 6, so that the refill handler needs one
 * shift, and the low six bits are free for software:
 *
 *   31            12 11    9   8   7   6   5     2    1     0
 *  +----------------+-------+---+---+---+-------+------+-------+
 *  | page address   |   C   | D | V | G |   -   | SHARED PRESENT|
 *  +----------------+-------+---+---+---+-------+------+-------+
 *
 * V and D are the hardware's: "may be read" and "may be written" without asking.
 * PRESENT says that the PTE names a page; SHARED that the page is not this
 * process's own (the zero page, or a page of the user image) and has to be
 * copied before it is written.
 *
 * Two levels: a virtual address is
 *
 *   4K pages    [ pgd index 10 | pte index 10 | offset 12 ]
 *   16K pages   [ pgd index  6 | pte index 12 | offset 14 ]
 */
#ifndef PAGE_H
#define PAGE_H

#ifndef PAGE_SHIFT
#define PAGE_SHIFT 12
#endif
#define PAGE_SIZE (1 << PAGE_SHIFT)

#define PTES_PER_TABLE (PAGE_SIZE / 4)
#define PGD_SHIFT (PAGE_SHIFT + PAGE_SHIFT - 2)
#define PGD_ENTRIES (1 << (32 - PGD_SHIFT))

#define PTE_PRESENT 0x001
#define PTE_SHARED 0x002
#define PTE_G 0x040
#define PTE_V 0x080
#define PTE_D 0x100
#define PTE_CACHED (3 << 9)
#define PTE_TO_ENTRYLO 6 /* shift right by this */

/* PageMask: ones for the address bits that a pair of pages adds to a 4K pair. */
#define PAGEMASK_VALUE (((1 << (PAGE_SHIFT + 1)) - 1) & ~0x1FFF)

/*
 * Context holds VA[31:13] in bits 22:4. A TLB entry maps a pair of pages and a
 * pair of PTEs is 8 bytes, so shifting Context right by this and masking gives
 * the pair's offset in its table.
 */
#define CONTEXT_SHIFT (1 + PAGE_SHIFT - 12)
#define CONTEXT_MASK (PAGE_SIZE - 8)

#endif
