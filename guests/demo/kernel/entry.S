/*
 * entry.S - into the kernel, out of it, and from one kernel stack to another.
 */
#include "../cp0.h"
#include "frame.h"

        .set    noreorder
        .set    noat
        .text

/*
 * Every exception but a refill comes here with EXL set, so interrupts are off and
 * k0, k1 are ours. Kernel stacks are in KSeg0: saving to them cannot miss the TLB.
 */
        .globl  exception
exception:
        mfc0    $k0, $12
        andi    $k0, $k0, STATUS_UM
        beqz    $k0, 1f                         /* from kernel mode: same stack */
         move   $k1, $sp
        lui     $k0, %hi(kernel_sp)
        lw      $sp, %lo(kernel_sp)($k0)
1:      addiu   $sp, $sp, -(FRAME_SIZE + ARGUMENT_AREA)

#define F(offset) (ARGUMENT_AREA + (offset))($sp)
        sw      $k1, F(FRAME_R(29))
        .irp    n, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,28,30,31
        sw      $\n, F(FRAME_R(\n))
        .endr
        mflo    $t0
        mfhi    $t1
        sw      $t0, F(FRAME_LO)
        sw      $t1, F(FRAME_HI)
        mfc0    $t0, $12                        /* Status */
        mfc0    $t1, $13                        /* Cause */
        mfc0    $t2, $14                        /* EPC */
        mfc0    $t3, $8                         /* BadVAddr */
        sw      $t0, F(FRAME_STATUS)
        sw      $t1, F(FRAME_CAUSE)
        sw      $t2, F(FRAME_EPC)
        sw      $t3, F(FRAME_BADVADDR)

        /* Kernel mode without EXL, so that the kernel itself may miss the TLB, but
         * with interrupts still off: clear UM, ERL, EXL and IE. */
        ori     $t0, $t0, 0x1F
        xori    $t0, $t0, 0x1F
        mtc0    $t0, $12
        ehb

        jal     trap
         addiu  $a0, $sp, ARGUMENT_AREA

/* The way back; a new process starts here on a frame made by user_create(). */
        .globl  enter_user
enter_user:
        lw      $t0, F(FRAME_STATUS)            /* has EXL set */
        mtc0    $t0, $12
        ehb
        lw      $t1, F(FRAME_EPC)
        lw      $t2, F(FRAME_LO)
        lw      $t3, F(FRAME_HI)
        mtc0    $t1, $14
        mtlo    $t2
        mthi    $t3
        .irp    n, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,28,30,31
        lw      $\n, F(FRAME_R(\n))
        .endr
        lw      $sp, F(FRAME_R(29))
        eret

/* A new kernel thread starts here: its function is in s0, put there by thread_create(). */
        .globl  enter_thread
enter_thread:
        jalr    $s0
         nop
        break                                   /* threads do not return */

/*
 * switch_stacks(u32 *save_sp, u32 next_sp): save what a callee must preserve on
 * this stack, take the other stack, restore from there.
 */
        .globl  switch_stacks
switch_stacks:
        addiu   $sp, $sp, -40
        .irp    n, 0,1,2,3,4,5,6,7
        sw      $s\n, (4 * \n)($sp)
        .endr
        sw      $fp, 32($sp)
        sw      $ra, 36($sp)
        sw      $sp, 0($a0)
        move    $sp, $a1
        .irp    n, 0,1,2,3,4,5,6,7
        lw      $s\n, (4 * \n)($sp)
        .endr
        lw      $fp, 32($sp)
        lw      $ra, 36($sp)
        jr      $ra
         addiu  $sp, $sp, 40

/*
 * idle_wait(): let interrupts in and sleep until one comes. An interrupt that makes
 * a process runnable after the test but before WAIT would go unnoticed until the
 * next one, so trap() moves an EPC between idle_check and idle_done back to the test.
 */
        .globl  idle_wait, idle_check, idle_done
idle_wait:
        ei
        ehb
idle_check:
        lui     $t0, %hi(reschedule)
        lw      $t0, %lo(reschedule)($t0)
        bnez    $t0, idle_done
         nop
        wait
idle_done:
        di
        ehb
        jr      $ra
         nop
