/* frame.h - offsets of struct frame (kernel.h) for assembly. */
#ifndef FRAME_H
#define FRAME_H

#define FRAME_R(n) (4 * (n))
#define FRAME_LO 128
#define FRAME_HI 132
#define FRAME_STATUS 136
#define FRAME_CAUSE 140
#define FRAME_EPC 144
#define FRAME_BADVADDR 148
#define FRAME_SIZE 152

/* The calling convention lets a callee use 16 bytes above its caller's sp. */
#define ARGUMENT_AREA 16

#endif
