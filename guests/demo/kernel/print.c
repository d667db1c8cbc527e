/* print.c - formatted output: %u %d %x %s %c %%, with a width, `-` and `0`. */
#include "kernel.h"
#include <stdarg.h>

struct style {
  int width;
  bool left, zero;
};

static void put_field(const char *text, int length, struct style style) {
  int padding = style.width - length;
  for (; !style.left && padding > 0; padding--) console_put(style.zero ? '0' : ' ');
  for (int i = 0; i < length; i++) console_put(text[i]);
  for (; padding > 0; padding--) console_put(' ');
}

static void put_number(u32 value, u32 base, bool negative, struct style style) {
  char digits[12];
  int at = sizeof digits;
  do {
    digits[--at] = "0123456789abcdef"[value % base];
    value /= base;
  } while (value != 0);
  if (negative) digits[--at] = '-';
  put_field(digits + at, (int)sizeof digits - at, style);
}

static void vprint(const char *format, va_list arguments) {
  for (; *format != 0; format++) {
    if (*format != '%') {
      console_put(*format);
      continue;
    }
    struct style style = {0, false, false};
    format++;
    for (;; format++) {
      if (*format == '-') style.left = true;
      else if (*format == '0') style.zero = true;
      else break;
    }
    for (; *format >= '0' && *format <= '9'; format++) style.width = style.width * 10 + (*format - '0');
    switch (*format) {
    case 'u':
      put_number(va_arg(arguments, u32), 10, false, style);
      break;
    case 'x':
      put_number(va_arg(arguments, u32), 16, false, style);
      break;
    case 'd': {
      int value = va_arg(arguments, int);
      put_number(value < 0 ? -(u32)value : (u32)value, 10, value < 0, style);
      break;
    }
    case 's': {
      const char *text = va_arg(arguments, const char *);
      int length = 0;
      while (text[length] != 0) length++;
      put_field(text, length, style);
      break;
    }
    case 'c': {
      char c = (char)va_arg(arguments, int);
      put_field(&c, 1, style);
      break;
    }
    default:
      console_put(*format);
    }
  }
}

void print(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vprint(format, arguments);
  va_end(arguments);
}

/* part / whole with one decimal, right-aligned. There is no floating point here. */
void print_ratio(u32 part, u32 whole, int width) {
  if (whole == 0) {
    put_field("-", 1, (struct style){width, false, false});
    return;
  }
  u32 units = part / whole, rest = part % whole;
  /* rest * 10 could overflow; 32 bits of precision are not needed for one digit. */
  while (rest > 0x0FFFFFFF) rest >>= 1, whole >>= 1;
  put_number(units, 10, false, (struct style){width - 2, false, false});
  print(".%u", rest * 10 / whole);
}

void panic(const char *format, ...) {
  va_list arguments;
  interrupts_off();
  va_start(arguments, format);
  print("\npanic: ");
  vprint(format, arguments);
  va_end(arguments);
  print("\n");
  /* Not turned off: nobody is to take this for an ordinary end. */
  for (;;) __asm__ volatile("wait");
}
