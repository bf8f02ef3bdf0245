// The memory of a device: segments with a program for each output, and the triggers.
using System;
using System.Collections.Generic;

namespace Mcs.Usb
{
    internal sealed class SimStore
    {
        internal const int MaxSegments = 100;

        private sealed class Segment
        {
            internal uint Bytes;
            internal readonly Dictionary<int, SimProgram> Programs = new Dictionary<int, SimProgram>();

            internal uint Used()
            {
                uint used = 0;
                foreach (SimProgram program in Programs.Values) used += program.Bytes;
                return used;
            }
        }

        private readonly SimDevice device;
        private readonly uint[] channelMaps, syncoutMaps, repeats;
        private readonly uint[] capacities;  // of each output; 0 is no limit of its own
        private readonly SimRetrigger[] retriggers;
        private Segment[] segments;
        private int downloadTo, playFrom;

        internal SimStore(SimDevice device)
        {
            this.device = device;
            channelMaps = new uint[device.NChannels];
            syncoutMaps = new uint[device.NChannels];
            repeats = new uint[device.NChannels];
            retriggers = new SimRetrigger[device.NChannels];
            capacities = new uint[2 * device.NChannels];
        }

        private Segment[] Segments
        {
            get { return segments ?? (segments = new[] { new Segment { Bytes = device.TotalMemory } }); }
        }

        internal uint Available()
        {
            Segment segment = Segments[downloadTo];
            return segment.Bytes - Math.Min(segment.Bytes, segment.Used());
        }

        internal uint Define(uint[] bytes)
        {
            ulong sum = 0;
            foreach (uint n in bytes) sum += n;
            if (bytes.Length == 0 || bytes.Length > MaxSegments) return CMcsUsbNet.Status_InvalidParameter;
            if (sum > device.TotalMemory) return CMcsUsbNet.Status_NoMemory;
            segments = Array.ConvertAll(bytes, n => new Segment { Bytes = n });
            downloadTo = playFrom = 0;
            return 0;
        }

        internal uint Select(uint segment, bool isForDownload, bool isForTriggers)
        {
            if (segment >= Segments.Length) return CMcsUsbNet.Status_InvalidParameter;
            if (isForDownload) downloadTo = (int)segment;
            if (isForTriggers) playFrom = (int)segment;
            return 0;
        }

        internal uint SetCapacities(uint[] channels, uint[] syncouts)
        {
            ulong sum = 0;
            foreach (uint n in channels) sum += n;
            foreach (uint n in syncouts) sum += n;
            if (channels.Length > device.NChannels || syncouts.Length > device.NChannels)
                return CMcsUsbNet.Status_InvalidParameter;
            if (sum > device.TotalMemory) return CMcsUsbNet.Status_NoMemory;
            channels.CopyTo(capacities, 0);
            syncouts.CopyTo(capacities, device.NChannels);
            return 0;
        }

        internal uint Capacity(int output)
        {
            return capacities[output];
        }

        internal uint Used(int output)
        {
            SimProgram program;
            return Segments[downloadTo].Programs.TryGetValue(output, out program) ? program.Bytes : 0;
        }

        internal void Clear(int output)
        {
            Segments[downloadTo].Programs.Remove(output);
        }

        internal uint Write(int output, int[] levels, ulong[] us, bool isAppended)
        {
            if (levels.Length != us.Length) return CMcsUsbNet.Status_InvalidParameter;
            Segment segment = Segments[downloadTo];
            SimProgram before;
            segment.Programs.TryGetValue(output, out before);
            SimProgram program = isAppended && before != null ? before.Copy() : new SimProgram();
            for (int i = 0; i < levels.Length; i++) program.Add(levels[i], us[i]);
            if (!program.IsNested()) return CMcsUsbNet.Status_InvalidParameter;
            uint others = segment.Used() - (before == null ? 0 : before.Bytes);
            uint limit = capacities[output] > 0 ? capacities[output] : uint.MaxValue;
            if (program.Bytes > limit || (ulong)others + program.Bytes > segment.Bytes)
                return CMcsUsbNet.Status_NoMemory;
            segment.Programs[output] = program;
            return 0;
        }

        internal void SetupTrigger(uint first, uint[] channels, uint[] syncouts, uint[] times)
        {
            for (int i = 0; i < channels.Length; i++)
            {
                channelMaps[first + i] = channels[i];
                syncoutMaps[first + i] = syncouts[i];
                repeats[first + i] = times[i];
            }
        }

        internal void GetTrigger(out uint[] channels, out uint[] syncouts, out uint[] times)
        {
            channels = (uint[])channelMaps.Clone();
            syncouts = (uint[])syncoutMaps.Clone();
            times = (uint[])repeats.Clone();
        }

        internal void SetupRetrigger(int trigger, SimRetrigger action)
        {
            for (int i = 0; i < retriggers.Length; i++)
                if (trigger < 0 || i == trigger) retriggers[i] = action;
        }

        // What a trigger plays if it is started now; what runs is told of the new start.
        internal SimRun NewRun(int trigger, SimRun running, long now)
        {
            if (running != null && running.IsRunning && retriggers[trigger] != SimRetrigger.Restart) return running;
            if (running != null && running.IsRunning) running.Stop(now);
            List<SimCursor> channels = Cursors(channelMaps[trigger], 0, device.Channels);
            List<SimCursor> syncouts = Cursors(syncoutMaps[trigger], device.NChannels, device.Syncouts);
            return new SimPlayer(channels, syncouts, repeats[trigger], retriggers[trigger]);
        }

        private List<SimCursor> Cursors(uint map, int firstOutput, SimOutput[] outputs)
        {
            var cursors = new List<SimCursor>();
            foreach (int bit in device.Bits(map))
            {
                SimProgram program;
                if (Segments[playFrom].Programs.TryGetValue(firstOutput + bit, out program))
                    cursors.Add(new SimCursor(program, outputs[bit]));
            }
            return cursors;
        }
    }
}
