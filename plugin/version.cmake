# SPDX-License-Identifier: GPL-2.0-or-later
set(MAF_VERSION 0.2.0)
