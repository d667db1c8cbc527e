/* Entry of the benchmark programs: hands the stack, where the arguments are, to `begin`. */
#if defined(__mips__)
        .set    noreorder
        .globl  __start
__start:
        move    $a0, $sp
        li      $t0, -8
        and     $sp, $sp, $t0
        jal     begin
        addiu   $sp, $sp, -16
#else
        .globl  _start
_start:
        mov     %esp, %eax
        and     $-16, %esp
        sub     $12, %esp
        push    %eax
        call    begin
#endif
        .section .note.GNU-stack, "", %progbits
