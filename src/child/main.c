/* SPDX-License-Identifier: MIT */

#include "child/child.h"

int main(int argc, char **argv) {
        return child_main(argc, argv);
}
