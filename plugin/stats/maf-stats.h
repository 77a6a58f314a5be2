/* maf-stats.h
 * Statistics: how many messages, sub-methods, outcomes and diagnoses, and how long answers take
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MAF_STATS_H
#define MAF_STATS_H

/* Register Statistics, MAF (tshark -z maf,tree) and Service Response Time, MAF (-z maf,srt) for this protocol
 * id.
 */
void maf_stats_register(int proto);

#endif /* MAF_STATS_H */
