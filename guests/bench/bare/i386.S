/* i386.S - entry of a Multiboot image (specification 0.6.96): flat segments, no paging, COM1 as the console. */
#define MAGIC 0x1BADB002
#define FLAGS 0
#define COM1  0x3F8
#define READY 0x20

        .section .header, "a"
        .balign 4
        .long   MAGIC, FLAGS, -(MAGIC + FLAGS)

        .text
        .globl  start
start:  mov     $stack_top, %esp
        call    begin
1:      hlt
        jmp     1b

        .globl  put
put:    mov     $COM1 + 5, %edx
1:      in      %dx, %al
        test    $READY, %al
        jz      1b
        mov     4(%esp), %al
        mov     $COM1, %edx
        out     %al, %dx
        ret

        .bss
        .balign 16
        .space  16384
stack_top:
        .section .note.GNU-stack, "", %progbits
