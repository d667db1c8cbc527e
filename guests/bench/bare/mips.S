/* mips.S - entry of a bare image for Malta: uncached 16550 at ISA port 3F8h as the console. */
#define UART_HIGH 0xB800
#define UART      0x03F8
#define READY     0x20

        .set    noreorder
        .text
        .globl  start
start:  lui     $sp, %hi(stack_top)
        jal     begin
        addiu   $sp, $sp, %lo(stack_top) - 16
1:      b       1b
        nop

        .globl  put
put:    lui     $t0, UART_HIGH
1:      lbu     $t1, UART + 5($t0)
        andi    $t1, $t1, READY
        beqz    $t1, 1b
        nop
        jr      $ra
        sb      $a0, UART($t0)

        .bss
        .balign 16
        .space  16384
stack_top:
