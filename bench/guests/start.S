/* Entry of a benchmark guest: a stack, then main; at the end the board is reset. */
        .set    noreorder
        .globl  start
start:  lui     $sp, %hi(stack_top)
        jal     main
        addiu   $sp, $sp, %lo(stack_top)
        /* Malta's SOFTRES register, uncached: 42h resets the board, which ends the run. */
        lui     $t0, 0xBF00
        li      $t1, 0x42
        sw      $t1, 0x0500($t0)
1:      b       1b
        nop

        .section .bss
        .balign 16
        .space  16384
        .globl  stack_top
stack_top:
