/*
 * vectors.S - the code at the exception vectors. Copied to EBase by trap_init(),
 * so only absolute jumps and addresses may be used to leave it.
 */
#include "../map.h"
#include "../page.h"

        .set    noreorder
        .set    noat

        .text
        .globl  vectors_start, vectors_end
        .balign 8
vectors_start:

/*
 * +0: TLB refill. Only k0 and k1 may be used. It never checks anything: an empty
 * pgd slot points at a table of zeros, whose PTEs make an invalid TLB entry, and
 * the retried access then raises "TLB invalid" at +180h, where C sorts it out.
 */
        .org    VECTOR_REFILL
        mfc0    $k0, $8                         /* BadVAddr */
        lui     $k1, %hi(current_pgd)
        lw      $k1, %lo(current_pgd)($k1)
        srl     $k0, $k0, PGD_SHIFT
        sll     $k0, $k0, 2
        addu    $k1, $k1, $k0
        mfc0    $k0, $4                         /* Context: which pair of pages */
        lw      $k1, 0($k1)                     /* the table of PTEs */
        srl     $k0, $k0, CONTEXT_SHIFT
        andi    $k0, $k0, CONTEXT_MASK
        addu    $k1, $k1, $k0
        lw      $k0, 0($k1)                     /* even page */
        lw      $k1, 4($k1)                     /* odd page */
        srl     $k0, $k0, PTE_TO_ENTRYLO
        mtc0    $k0, $2                         /* EntryLo0 */
        srl     $k1, $k1, PTE_TO_ENTRYLO
        mtc0    $k1, $3                         /* EntryLo1 */
        ehb
        tlbwr                                   /* EntryHi was set by the exception */

        lui     $k0, %hi(stats)                 /* stats.refills++ */
        lw      $k1, %lo(stats)($k0)
        addiu   $k1, $k1, 1
        sw      $k1, %lo(stats)($k0)
        eret                                    /* also clears the TLBWR hazard */

/* +180h: everything else but interrupts. */
        .org    VECTOR_GENERAL
        lui     $k0, %hi(exception)
        addiu   $k0, $k0, %lo(exception)
        jr      $k0
         nop

/* +200h: interrupts, because trap_init() sets Cause.IV. */
        .org    VECTOR_INTERRUPT
        lui     $k0, %hi(exception)
        addiu   $k0, $k0, %lo(exception)
        jr      $k0
         nop

        .org    VECTORS_END
vectors_end:
