/* SPDX-License-Identifier: MIT */

#include "compute/compute.h"

int main(int argc, char **argv) {
        return compute_main(argc, argv);
}
