/* crt.S - the image header that the kernel reads, the entry, and the system calls. */
#include "../abi.h"

        .set    noreorder

        .section .header, "ax"
        .word   start                           /* struct image_header in kernel/vm.c */
        .word   text_size, data_size, bss_size

        .text
        .globl  start
start:                                          /* a0..a2: program and its arguments */
        jal     user_main
         nop
        move    $a0, $v0
        jal     exit
         nop

        .macro  call name, number
        .globl  \name
\name:  li      $v0, \number
        syscall
        jr      $ra
         nop
        .endm

        call    exit, SYS_EXIT
        call    write, SYS_WRITE
        call    yield, SYS_YIELD
        call    getpid, SYS_GETPID
        call    sleep, SYS_SLEEP
        call    map, SYS_MAP
        call    mark, SYS_MARK
        call    report, SYS_REPORT
