/*
 * start.S - the first instructions: a stack, a cleared bss, then main().
 *
 * YAMON's hand-over arrives in a0 (argc), a1 (argv), a2 (envp), a3 (memory size).
 */
#include "../cp0.h"
#include "../page.h"

        .set    noreorder

        .section .text.start, "ax"
        .globl  start
start:
        /* Out of the reset state (ERL), into kernel mode. BEV stays on until the
         * vectors are in place, as EBase may only be written while it is set. */
        li      $t0, STATUS_BEV
        mtc0    $t0, $12
        ehb

        lui     $t0, %hi(bss_start)
        addiu   $t0, $t0, %lo(bss_start)
        lui     $t1, %hi(bss_end)
        addiu   $t1, $t1, %lo(bss_end)
1:      sw      $zero, 0($t0)
        addiu   $t0, $t0, 4
        bne     $t0, $t1, 1b
         nop

        lui     $sp, %hi(boot_stack_top)
        addiu   $sp, $sp, %lo(boot_stack_top)
        addiu   $sp, $sp, -16
        lui     $t9, %hi(main)
        addiu   $t9, $t9, %lo(main)
        jalr    $t9
         nop
1:      b       1b
         nop

        .section .bss
        .balign 8
        .space  4096
boot_stack_top:
