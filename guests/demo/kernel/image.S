/*
 * image.S - the user programs, linked on their own (user/user.ld) and carried in the
 * kernel. Page-aligned, because processes map these very pages until they write.
 */
#include "../page.h"

        .section .image, "aw"
        .globl  user_image
        .balign PAGE_SIZE
user_image:
        .incbin USER_IMAGE
        .balign PAGE_SIZE
